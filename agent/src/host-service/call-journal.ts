/**
 * Who asked for what, when, and how it ended: one SQLite file (WAL, `synchronous` FULL) with two tables. `note` has every call,
 * whatever became of it. `call` has the operations that act: each is on disk before it acts, and its end before it is told, so that
 * one that was asked for twice acts once.
 */
import { DatabaseSync } from 'node:sqlite';

export type Found =
  /** Nobody has asked for it yet. */
  | { kind: 'new' }
  /** Its id belongs to another request. */
  | { kind: 'reused' }
  /** It was begun, and the process died before it had ended. */
  | { kind: 'interrupted' }
  | { kind: 'ended'; outcome: Uint8Array };

export type CallJournal = {
  /** Durable when it returns: the number of the note. Null: there is no room. */
  note(call: { caller: string; method: string; timeMs: number }): number | null;
  /** `outcome`: `ok`, the name of a Connect code, or what HTTP said. One for which there is no room is not kept. */
  noteEnd(id: number, outcome: string, timeMs: number): void;
  find(operationId: string, digest: string): Found;
  /** Durable when it returns. False: there is no room. */
  begin(call: {
    operationId: string;
    caller: string;
    method: string;
    digest: string;
    timeMs: number;
  }): boolean;
  /** Durable when it returns. False: there is no room. */
  end(operationId: string, outcome: Uint8Array, timeMs: number): boolean;
  close(): void;
};

/** An agent asks again within minutes; what is older serves an inquiry. */
const maxCalls = 10_000;
const maxNotes = 50_000;
const maxFileBytes = 1024 * 1024 * 1024;
const pageBytes = 4096;
const [sqliteBusy, sqliteFull] = [5, 13];

/** Throws when another process has it open, or SQLite's error when it is damaged. */
export function openCallJournal(
  path: string,
  options: { maxBytes?: number; keptNotes?: number } = {},
): CallJournal {
  const { maxBytes = maxFileBytes, keptNotes = maxNotes } = options;
  const database = new DatabaseSync(path);
  const setUp = `PRAGMA locking_mode = EXCLUSIVE; PRAGMA page_size = ${pageBytes}; PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 1048576;
    PRAGMA max_page_count = ${Math.ceil(maxBytes / pageBytes)};
    CREATE TABLE IF NOT EXISTS call (id INTEGER PRIMARY KEY AUTOINCREMENT, operation_id TEXT NOT NULL UNIQUE,
      caller TEXT NOT NULL, method TEXT NOT NULL, digest TEXT NOT NULL, begin_ms INTEGER NOT NULL, end_ms INTEGER,
      outcome BLOB) STRICT;
    CREATE TABLE IF NOT EXISTS note (id INTEGER PRIMARY KEY AUTOINCREMENT, caller TEXT NOT NULL, method TEXT NOT NULL,
      begin_ms INTEGER NOT NULL, end_ms INTEGER, outcome TEXT) STRICT`;
  try {
    database.exec(setUp);
  } catch (error) {
    database.close();
    if (codeOf(error) !== sqliteBusy) throw error;
    throw new Error(`${path} is open in another process: a host service runs already`, { cause: error });
  }
  const select = database.prepare('SELECT digest, outcome FROM call WHERE operation_id = ?');
  const insert = database.prepare(
    'INSERT INTO call (operation_id, caller, method, digest, begin_ms) VALUES (?, ?, ?, ?, ?)',
  );
  const prune = database.prepare('DELETE FROM call WHERE id <= ?');
  const update = database.prepare('UPDATE call SET outcome = ?, end_ms = ? WHERE operation_id = ?');
  const insertNote = database.prepare('INSERT INTO note (caller, method, begin_ms) VALUES (?, ?, ?)');
  const pruneNotes = database.prepare('DELETE FROM note WHERE id <= ?');
  const updateNote = database.prepare('UPDATE note SET outcome = ?, end_ms = ? WHERE id = ?');

  /** Null: there was no room. */
  function ifRoom<T>(write: () => T): T | null {
    try {
      return write();
    } catch (error) {
      if (codeOf(error) === sqliteFull) return null;
      throw error;
    }
  }

  return {
    note: ({ caller, method, timeMs }) =>
      ifRoom(() => {
        const id = Number(insertNote.run(caller, method, timeMs).lastInsertRowid);
        pruneNotes.run(id - keptNotes);
        return id;
      }),
    noteEnd(id, outcome, timeMs) {
      // A call that outlives the service ends unseen.
      if (database.isOpen) ifRoom(() => updateNote.run(outcome, timeMs, id));
    },
    find(operationId, digest) {
      const row = select.get(operationId) as { digest: string; outcome: Uint8Array | null } | undefined;
      if (row === undefined) return { kind: 'new' };
      if (row.digest !== digest) return { kind: 'reused' };
      return row.outcome === null ? { kind: 'interrupted' } : { kind: 'ended', outcome: row.outcome };
    },
    begin({ operationId, caller, method, digest, timeMs }) {
      const written = ifRoom(() => {
        const { lastInsertRowid } = insert.run(operationId, caller, method, digest, timeMs);
        prune.run(Number(lastInsertRowid) - maxCalls);
        return true;
      });
      return written ?? false;
    },
    end: (operationId, outcome, timeMs) => ifRoom(() => update.run(outcome, timeMs, operationId)) !== null,
    close: () => database.close(),
  };
}

/** SQLite's primary result code; null: the error is another one. */
const codeOf = (error: unknown): number | null =>
  error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : null;
