/** The tables, their version, and the settings of every connection to the database. */
import type { DatabaseSync } from 'node:sqlite';

/** Raised by each change of the tables; a database with a higher one was written by a newer release. */
export const schemaVersion = 1;

/** The most partitions that an IoT Hub has. */
export const maxPartitionCount = 32;

// Large pages: a 60 KiB body is four of them instead of fifteen, which makes the write 1.4 times as fast.
const pageBytes = 16_384;
const checkpointBytes = 64 * 1_048_576;

/** Settings that any connection needs, before its first statement. */
export function configure(database: DatabaseSync): void {
  database.exec(`
    PRAGMA page_size = ${pageBytes};
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA fullfsync = ON;
    PRAGMA checkpoint_fullfsync = ON;
    PRAGMA wal_autocheckpoint = ${checkpointBytes / pageBytes};
    PRAGMA journal_size_limit = ${checkpointBytes};
    PRAGMA temp_store = MEMORY;
  `);
}

/** Lets the database file grow to `maxBytes` and no further: writes beyond fail as on a full disk. */
export function limitSize(database: DatabaseSync, maxBytes: number): void {
  database.exec(`PRAGMA max_page_count = ${Math.max(1, Math.floor(maxBytes / pageBytes))}`);
}

const tables = `
  CREATE TABLE document (
    kind TEXT NOT NULL, id TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (kind, id)
  ) WITHOUT ROWID;
  CREATE TABLE command (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, device_id TEXT NOT NULL, generation_id TEXT NOT NULL,
    enqueued_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, delivery_count INTEGER NOT NULL,
    ack TEXT NOT NULL, message_id TEXT NOT NULL, header TEXT NOT NULL, body BLOB NOT NULL
  );
  CREATE TABLE feed_item (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, feed TEXT NOT NULL, enqueued_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL, delivery_count INTEGER NOT NULL, body BLOB NOT NULL
  );
  CREATE TABLE feedback_record (sequence INTEGER PRIMARY KEY, record TEXT NOT NULL);
  CREATE TABLE trimmed (
    partition INTEGER PRIMARY KEY, sequence INTEGER NOT NULL, offset INTEGER NOT NULL,
    enqueued_ms INTEGER NOT NULL
  );
`;

/** A table per partition, because SQLite appends fastest at the end of a table. */
const eventTable = (partition: number) => `
  CREATE TABLE event_${partition} (
    sequence INTEGER PRIMARY KEY, offset INTEGER NOT NULL, enqueued_ms INTEGER NOT NULL,
    device_id TEXT NOT NULL, header TEXT NOT NULL, body BLOB NOT NULL
  );
`;

function countOf(database: DatabaseSync, sql: string): number {
  return Number(Object.values(database.prepare(sql).get() ?? {})[0]);
}

/**
 * Makes the tables in a new database, and returns the number of partitions: `partitionCount` for a new database, what it
 * was made with for an old one. Throws when the database was written by a newer release.
 */
export function prepareSchema(database: DatabaseSync, partitionCount: number): number {
  const version = countOf(database, 'PRAGMA user_version');
  if (version > schemaVersion) {
    throw new Error(
      `the database has schema version ${version}, this release knows up to ${schemaVersion}: use the newer release, or another data directory`,
    );
  }
  if (version === 0) {
    const partitions = Array.from({ length: partitionCount }, (_, partition) => eventTable(partition));
    database.exec(`BEGIN; ${tables} ${partitions.join('')} PRAGMA user_version = ${schemaVersion}; COMMIT;`);
  }
  return countOf(database, "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name GLOB 'event_*'");
}
