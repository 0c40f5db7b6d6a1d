/** The outbox on disk: one file, one writer, every write one transaction that is on disk when it returns. */
import { DatabaseSync } from 'node:sqlite';
import type { Kind, Losses, Outgoing } from './outbox.ts';

/** A message and what is lost when it is dropped; 0: never. */
export type Row = Outgoing & { loss: number };

export type MessageTable = {
  readonly journalId: string;
  /** The highest sequence that may have been given out. */
  readonly reserved: number;
  readonly losses: Losses;
  /** Messages and bytes at the time of opening. */
  readonly initial: { count: number; bytes: number };
  /** Carries out the changes at once or not at all. Throws SQLite's error. */
  transaction<T>(changes: () => T): T;
  insert(row: Row): void;
  /** The number of bytes that were removed; 0 when it is not there. */
  remove(sequence: number): number;
  reserve(sequence: number): void;
  setLosses(losses: Losses): void;
  /** The oldest messages of one class. */
  oldest(droppable: boolean, limit: number): Outgoing[];
  /** The oldest messages that may be dropped, without their bodies. */
  droppable(limit: number): { sequence: number; kind: Kind; bytes: number; loss: number }[];
  close(): void;
};

const schemaVersion = 1;
const pageBytes = 4096;

/** Opens or makes the database. Throws when a newer release wrote it, and SQLite's error when it is damaged or in use. */
export function openMessageTable(options: {
  path: string;
  maxFileBytes: number;
  newId: () => string;
}): MessageTable {
  const database = new DatabaseSync(options.path);
  try {
    return tableIn(database, options);
  } catch (error) {
    database.close();
    throw error;
  }
}

function prepareSchema(database: DatabaseSync, { path, newId }: { path: string; newId: () => string }): void {
  const { user_version: found } = database.prepare('PRAGMA user_version').get() as { user_version: number };
  if (found > schemaVersion) {
    throw new Error(
      `${path} was written by a newer agent (version ${found}); install that agent or remove the file`,
    );
  }
  if (found === schemaVersion) return;
  database.exec(`BEGIN IMMEDIATE;
    CREATE TABLE standing (
      one INTEGER PRIMARY KEY CHECK (one = 1), journal_id TEXT NOT NULL, reserved INTEGER NOT NULL,
      lost_log_lines INTEGER NOT NULL, lost_measurements INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE message (
      sequence INTEGER PRIMARY KEY, message_id TEXT NOT NULL, kind TEXT NOT NULL, loss INTEGER NOT NULL, body BLOB NOT NULL
    ) STRICT;
    CREATE INDEX droppable ON message (loss > 0, sequence)`);
  database.prepare('INSERT INTO standing VALUES (1, ?, 0, 0, 0)').run(newId());
  database.exec(`PRAGMA user_version = ${schemaVersion}; COMMIT`);
}

function tableIn(
  database: DatabaseSync,
  options: { path: string; maxFileBytes: number; newId: () => string },
): MessageTable {
  database.exec(`PRAGMA locking_mode = EXCLUSIVE; PRAGMA page_size = ${pageBytes}; PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 1048576;
    PRAGMA max_page_count = ${Math.ceil(options.maxFileBytes / pageBytes)}`);
  prepareSchema(database, options);
  const standing = database.prepare('SELECT * FROM standing').get() as {
    journal_id: string;
    reserved: number;
    lost_log_lines: number;
    lost_measurements: number;
  };
  const initial = database
    .prepare('SELECT count(*) AS count, coalesce(sum(length(body)), 0) AS bytes FROM message')
    .get() as { count: number; bytes: number };

  const insert = database.prepare('INSERT INTO message VALUES (?, ?, ?, ?, ?)');
  const remove = database.prepare('DELETE FROM message WHERE sequence = ? RETURNING length(body) AS bytes');
  const reserve = database.prepare('UPDATE standing SET reserved = ?');
  const setLosses = database.prepare('UPDATE standing SET lost_log_lines = ?, lost_measurements = ?');
  const oldest = database.prepare(
    'SELECT sequence, message_id AS messageId, kind, body FROM message WHERE (loss > 0) = ? ORDER BY sequence LIMIT ?',
  );
  const droppable = database.prepare(
    `SELECT sequence, kind, length(body) AS bytes, loss FROM message WHERE (loss > 0) = 1 ORDER BY sequence LIMIT ?`,
  );

  return {
    journalId: standing.journal_id,
    reserved: standing.reserved,
    losses: { logLines: standing.lost_log_lines, measurements: standing.lost_measurements },
    initial,
    transaction(changes) {
      database.exec('BEGIN IMMEDIATE');
      try {
        const result = changes();
        database.exec('COMMIT');
        return result;
      } catch (error) {
        // SQLite has rolled back by itself after some errors.
        if (database.isTransaction) database.exec('ROLLBACK');
        throw error;
      }
    },
    insert({ sequence, messageId, kind, loss, body }) {
      insert.run(sequence, messageId, kind, loss, body);
    },
    remove(sequence) {
      return Number(remove.get(sequence)?.bytes ?? 0);
    },
    reserve(sequence) {
      reserve.run(sequence);
    },
    setLosses({ logLines, measurements }) {
      setLosses.run(logLines, measurements);
    },
    oldest: (isDroppable, limit) => oldest.all(isDroppable ? 1 : 0, limit) as unknown as Outgoing[],
    droppable: (limit) => droppable.all(limit) as unknown as ReturnType<MessageTable['droppable']>,
    close: () => database.close(),
  };
}
