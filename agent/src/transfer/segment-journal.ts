/**
 * Which segments of which objects are verified and on disk: the only truth about a transfer that survives a crash. A segment is
 * recorded after its bytes have reached the disk, never before.
 */
import { DatabaseSync } from 'node:sqlite';

/** What is recorded of one object. `verified` is a bitmap of segments. */
export type ObjectRecord = { frameSize: number; segmentSize: number; size: number; verified: Uint8Array };

export type SegmentJournal = {
  /** Undefined when nothing was ever recorded under this name. */
  read(object: string): ObjectRecord | undefined;
  /** Durable when it returns. Throws when the disk is full or broken; what was recorded before stays. */
  write(object: string, record: ObjectRecord): void;
  forget(object: string): void;
  objects(): string[];
  close(): void;
};

const schemaVersion = 1;

/** Opens or makes the journal. Throws when a newer release wrote it. */
export function openSegmentJournal(path: string): SegmentJournal {
  const database = new DatabaseSync(path);
  const { user_version: found } = database.prepare('PRAGMA user_version').get() as { user_version: number };
  if (found > schemaVersion) {
    database.close();
    throw new Error(
      `${path} was written by a newer agent (version ${found}); install that agent or remove the file`,
    );
  }
  database.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS object (
      name TEXT PRIMARY KEY, frame_size INTEGER NOT NULL, segment_size INTEGER NOT NULL, size INTEGER NOT NULL,
      verified BLOB NOT NULL
    ) STRICT;
    PRAGMA user_version = ${schemaVersion}`);
  const select = database.prepare(
    'SELECT frame_size, segment_size, size, verified FROM object WHERE name = ?',
  );
  const upsert = database.prepare(
    `INSERT INTO object VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (name) DO UPDATE SET
       frame_size = excluded.frame_size, segment_size = excluded.segment_size, size = excluded.size, verified = excluded.verified`,
  );
  const remove = database.prepare('DELETE FROM object WHERE name = ?');
  const names = database.prepare('SELECT name FROM object ORDER BY name');
  return {
    read(object) {
      const row = select.get(object) as
        | { frame_size: number; segment_size: number; size: number; verified: Uint8Array }
        | undefined;
      return (
        row && {
          frameSize: row.frame_size,
          segmentSize: row.segment_size,
          size: row.size,
          verified: row.verified,
        }
      );
    },
    write(object, { frameSize, segmentSize, size, verified }) {
      upsert.run(object, frameSize, segmentSize, size, verified);
    },
    forget(object) {
      remove.run(object);
    },
    objects: () => names.all().map((row) => String(row.name)),
    close: () => database.close(),
  };
}
