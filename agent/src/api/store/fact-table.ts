/** Single facts, by name. */
import type { DatabaseSync } from 'node:sqlite';

/**
 * - `begun`: when this store was begun, in ms since 1970, as text;
 * - `version`: the last ReportVersionRequest;
 * - `evidence`: how far the chain of signed consents has come, as JSON.
 */
export type FactName = 'begun' | 'version' | 'evidence';

export type FactTable = {
  get(name: FactName): Uint8Array | null;
  put(name: FactName, value: Uint8Array): void;
};

export function factTable(database: DatabaseSync): FactTable {
  database.exec('CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT');
  const select = database.prepare('SELECT value FROM fact WHERE name = ?');
  const replace = database.prepare('INSERT OR REPLACE INTO fact VALUES (?, ?)');
  return {
    get: (name) => (select.get(name)?.value as Uint8Array | undefined) ?? null,
    put: (name, value) => void replace.run(name, value),
  };
}
