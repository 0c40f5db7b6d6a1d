/** One SQLite table of sealed records, by ascending whole-number key. */
import type { DatabaseSync } from 'node:sqlite';
import { JournalError } from './journal-error.ts';
import { type Sealed, seal, type Upgrade, unseal } from './seal.ts';
import type { Shape } from './shape.ts';

export type RecordTable<T> = {
  /** Records with a key above `key`, lowest key first. Throws a JournalError for a damaged or newer one. */
  after(key: number, limit: number): { key: number; value: T }[];
  /** As `after`, for the highest keys, highest first. */
  last(limit: number): { key: number; value: T }[];
  insert(key: number, value: T): void;
  /** Changes an existing record; does nothing if there is none. */
  replace(key: number, value: T): void;
  remove(key: number): void;
  /** Removes the records with this key and below. */
  removeUpTo(key: number): void;
  lowest(): number | null;
  /** The lowest and highest key and the number of records. */
  extent(): { lowest: number; highest: number; count: number } | null;
};

/** The statement that makes the table. */
export const createTableStatement = (name: string): string =>
  `CREATE TABLE ${name} (key INTEGER PRIMARY KEY, body TEXT NOT NULL, crc INTEGER NOT NULL) STRICT`;

/** `upgrade` is needed only if the shape of these records was another in an older version. */
export function createRecordTable<T>(
  database: DatabaseSync,
  name: string,
  shape: Shape<T>,
  upgrade?: Upgrade,
): RecordTable<T> {
  const select = database.prepare(`SELECT key, body, crc FROM ${name} WHERE key > ? ORDER BY key LIMIT ?`);
  const selectLast = database.prepare(`SELECT key, body, crc FROM ${name} ORDER BY key DESC LIMIT ?`);
  const insert = database.prepare(`INSERT INTO ${name} (key, body, crc) VALUES (?, ?, ?)`);
  const replace = database.prepare(`UPDATE ${name} SET body = ?, crc = ? WHERE key = ?`);
  const remove = database.prepare(`DELETE FROM ${name} WHERE key = ?`);
  const removeUpTo = database.prepare(`DELETE FROM ${name} WHERE key <= ?`);
  const lowest = database.prepare(`SELECT min(key) AS lowest FROM ${name}`);
  const extent = database.prepare(
    `SELECT min(key) AS lowest, max(key) AS highest, count(*) AS count FROM ${name}`,
  );

  const place = (key: number) => `${name} ${key}`;

  function read(row: Record<string, unknown>): { key: number; value: T } {
    const { key, body, crc } = row;
    if (typeof key !== 'number' || typeof body !== 'string' || typeof crc !== 'number') {
      throw new JournalError('damaged', `${name}: a row of the wrong types`);
    }
    return { key, value: unseal(place(key), { body, crc }, shape, upgrade) };
  }

  const sealed = (key: number, value: T): Sealed => seal(place(key), value, shape);

  return {
    after: (key, limit) => select.all(key, limit).map(read),
    last: (limit) => selectLast.all(limit).map(read),
    insert(key, value) {
      const { body, crc } = sealed(key, value);
      insert.run(key, body, crc);
    },
    replace(key, value) {
      const { body, crc } = sealed(key, value);
      replace.run(body, crc, key);
    },
    remove: (key) => void remove.run(key),
    removeUpTo: (key) => void removeUpTo.run(key),
    lowest() {
      const found = lowest.get()?.lowest;
      return typeof found === 'number' ? found : null;
    },
    extent() {
      const row = extent.get() ?? {};
      const { lowest, highest, count } = row;
      if (typeof lowest !== 'number' || typeof highest !== 'number' || typeof count !== 'number') return null;
      return { lowest, highest, count };
    },
  };
}
