/**
 * What the server must remember over restarts: holds, answered requests, consents, log lines, the records of moves. One
 * SQLite file beside the machine's journal, with the same durability (WAL, `synchronous` FULL); the machine's journal
 * stays the only truth about the state.
 */
import { existsSync, renameSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { type AnswerTable, answerTable } from './answer-table.ts';
import { type ConsentTable, consentTable } from './consent-table.ts';
import { type FactTable, factTable } from './fact-table.ts';
import { type HoldTable, holdTable } from './hold-table.ts';
import { type LogTable, logTable } from './log-table.ts';
import { type MoveTable, moveTable } from './move-table.ts';

export type HostStore = {
  facts: FactTable;
  holds: HoldTable;
  answers: AnswerTable;
  consents: ConsentTable;
  log: LogTable;
  moves: MoveTable;
  /**
   * Carries out `work`, all of it or nothing; durable when it returns true. False: the disk, or the size that the file is
   * allowed, has no room. Throws when the disk itself fails.
   */
  write(work: () => void): boolean;
  close(): void;
};

export type OpenStoreOptions = {
  /** The file; its folder must exist. */
  path: string;
  /** How large the file may grow. Default 128 MiB, of which the log spool takes at most its own limit. */
  maxBytes?: number;
};

const pageBytes = 4096;
const schemaVersion = 1;

/** SQLite's primary result codes, https://sqlite.org/rescode.html. */
const sqliteFull = 13;
const sqliteDamaged = [11 /* CORRUPT */, 26 /* NOTADB */];

function resultCode(error: unknown): number | null {
  if (!(error instanceof Error) || !('errcode' in error)) return null;
  return Number(error.errcode) & 0xff;
}

/**
 * Opens the store, or begins one. A damaged file is set aside as `<path>.damaged`, replacing the one before; the agent then
 * takes a new hold if it is in BUSY, so that nothing is disturbed. Throws for a file of a newer agent.
 */
export function openStore(options: OpenStoreOptions): { store: HostStore; setAside: string | null } {
  try {
    return { store: open(options), setAside: null };
  } catch (error) {
    if (!sqliteDamaged.includes(resultCode(error) ?? -1)) throw error;
  }
  const setAside = `${options.path}.damaged`;
  renameSync(options.path, setAside);
  for (const suffix of ['-wal', '-shm']) {
    if (existsSync(options.path + suffix)) rmSync(options.path + suffix);
  }
  return { store: open(options), setAside };
}

function open({ path, maxBytes = 128 * 1024 * 1024 }: OpenStoreOptions): HostStore {
  const database = new DatabaseSync(path);
  try {
    database.exec(`PRAGMA locking_mode = EXCLUSIVE; PRAGMA page_size = ${pageBytes}; PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL; PRAGMA cell_size_check = ON; PRAGMA journal_size_limit = 4194304;
      PRAGMA max_page_count = ${Math.ceil(maxBytes / pageBytes)}`);
    const check = database.prepare('PRAGMA quick_check(1)').get()?.quick_check;
    if (check !== 'ok') throw Object.assign(new Error(`${path}: ${String(check)}`), { errcode: 11 });
    const version = Number(database.prepare('PRAGMA user_version').get()?.user_version);
    if (version > schemaVersion) {
      throw new Error(`${path}: version ${version}, this agent reads up to ${schemaVersion}`);
    }
    return storeIn(database);
  } catch (error) {
    database.close();
    throw error;
  }
}

function storeIn(database: DatabaseSync): HostStore {
  database.exec('BEGIN IMMEDIATE');
  const tables = {
    facts: factTable(database),
    holds: holdTable(database),
    answers: answerTable(database),
    consents: consentTable(database),
    log: logTable(database),
    moves: moveTable(database),
  };
  database.exec(`PRAGMA user_version = ${schemaVersion}; COMMIT`);
  return {
    ...tables,
    write(work) {
      try {
        database.exec('BEGIN IMMEDIATE');
        work();
        database.exec('COMMIT');
        return true;
      } catch (error) {
        if (database.isOpen && database.isTransaction) database.exec('ROLLBACK');
        tables.log.recount();
        if (resultCode(error) === sqliteFull) return false;
        throw error;
      }
    },
    close() {
      if (database.isOpen) database.close();
    },
  };
}
