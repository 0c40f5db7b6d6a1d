/**
 * The host application's log lines that wait to be sent, and the answers to the requests that brought them: a file of their
 * own, as durable as the journal (WAL, `synchronous` FULL), so that their bulk takes no room from the machine.
 */
import { existsSync, renameSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { type AnswerTable, answerTable } from './answer-table.ts';
import { type LogTable, logTable } from './log-table.ts';

export type LogStore = {
  lines: LogTable;
  answers: AnswerTable;
  /**
   * Carries out `work`, all of it or nothing; durable when it returns true. False: the disk, or the size that the file is
   * allowed, has no room. Throws when the disk itself fails.
   */
  write(work: () => void): boolean;
  close(): void;
};

export type OpenLogStoreOptions = {
  /** The file; its folder must exist. */
  path: string;
  /** How large the file may grow. Default 128 MiB, of which the log spool takes at most its own limit. */
  maxBytes?: number;
};

const pageBytes = 4096;
/** Version 1 also held what is in the journal's file now: `import-former.ts`. */
const schemaVersion = 2;

/** SQLite's primary result codes, https://sqlite.org/rescode.html. */
const sqliteFull = 13;
const sqliteDamaged = [11 /* CORRUPT */, 26 /* NOTADB */];

function resultCode(error: unknown): number | null {
  if (!(error instanceof Error) || !('errcode' in error)) return null;
  return Number(error.errcode) & 0xff;
}

export const isDamaged = (error: unknown): boolean => sqliteDamaged.includes(resultCode(error) ?? -1);

/**
 * Opens the store, or begins one. A damaged file is set aside as `<path>.damaged`, replacing the one before. Throws for a
 * file of a newer agent.
 */
export function openLogStore(options: OpenLogStoreOptions): { logStore: LogStore; setAside: string | null } {
  try {
    return { logStore: open(options), setAside: null };
  } catch (error) {
    if (!isDamaged(error)) throw error;
  }
  const setAside = `${options.path}.damaged`;
  renameSync(options.path, setAside);
  for (const suffix of ['-wal', '-shm']) {
    if (existsSync(options.path + suffix)) rmSync(options.path + suffix);
  }
  return { logStore: open(options), setAside };
}

function open({ path, maxBytes = 128 * 1024 * 1024 }: OpenLogStoreOptions): LogStore {
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

function storeIn(database: DatabaseSync): LogStore {
  database.exec('BEGIN IMMEDIATE');
  for (const former of ['fact', 'hold', 'answer', 'consent', 'move'])
    database.exec(`DROP TABLE IF EXISTS ${former}`);
  const tables = { lines: logTable(database), answers: answerTable(database) };
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
        tables.lines.recount();
        if (resultCode(error) === sqliteFull) return false;
        throw error;
      }
    },
    close() {
      if (database.isOpen) database.close();
    },
  };
}
