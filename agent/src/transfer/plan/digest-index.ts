/**
 * What the digests of this machine's files were when they were last read, so that gigabytes are not read for each update. A file that
 * looks as it did then is taken to be the same for planning only: whoever uses it computes its digest again.
 */
import type { BigIntStats } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

export type DigestIndex = {
  /** Null: not known, or the file looks otherwise now. */
  get(path: string, found: BigIntStats): string | null;
  put(path: string, found: BigIntStats, digest: string): void;
  close(): void;
};

/** So many files are remembered; beyond, the ones that were read longest ago are forgotten. */
const maxEntries = 500_000;

/** Opens or makes the index; one that is damaged begins anew, for it holds nothing that cannot be had again. */
export function openDigestIndex(path: string, remove: (path: string) => void): DigestIndex {
  let database: DatabaseSync;
  try {
    database = open(path);
  } catch {
    for (const suffix of ['', '-wal', '-shm']) remove(`${path}${suffix}`);
    database = open(path);
  }
  const select = database.prepare(
    'SELECT digest FROM file WHERE path = ? AND size = ? AND mtime = ? AND ctime = ? AND inode = ?',
  );
  const upsert = database.prepare('INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, ?, ?)');
  const trim = database.prepare(
    `DELETE FROM file WHERE rowid <= (SELECT max(rowid) FROM file) - ${maxEntries}`,
  );
  const looks = ({ size, mtimeNs, ctimeNs, ino }: BigIntStats) =>
    [size, mtimeNs, ctimeNs, ino].map(String) as [string, string, string, string];
  return {
    get(path, found) {
      const row = select.get(path, ...looks(found)) as { digest: string } | undefined;
      return row?.digest ?? null;
    },
    put(path, found, digest) {
      upsert.run(path, ...looks(found), digest);
    },
    close() {
      trim.run();
      database.close();
    },
  };
}

function open(path: string): DatabaseSync {
  const database = new DatabaseSync(path);
  try {
    database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = NORMAL;
      CREATE TABLE IF NOT EXISTS file (
        path TEXT PRIMARY KEY, size TEXT NOT NULL, mtime TEXT NOT NULL, ctime TEXT NOT NULL, inode TEXT NOT NULL,
        digest TEXT NOT NULL
      ) STRICT`);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}
