/** The decisions of people, as agent.v1.Consent. */
import type { DatabaseSync } from 'node:sqlite';

/** How many are kept; the cloud keeps them all. */
const maxConsents = 1000;

export type StoredConsent = { id: number; requestId: string; consent: Uint8Array };

export type ConsentTable = {
  insert(requestId: string, consent: Uint8Array): void;
  /** Newest first. */
  newest(): StoredConsent[];
  /** Those that the cloud has not been told of, oldest first. */
  untold(): StoredConsent[];
  markTold(id: number): void;
};

export function consentTable(database: DatabaseSync): ConsentTable {
  database.exec(`CREATE TABLE IF NOT EXISTS consent (id INTEGER PRIMARY KEY AUTOINCREMENT, request_id TEXT NOT NULL,
    consent BLOB NOT NULL, told INTEGER NOT NULL DEFAULT 1) STRICT`);
  addTold(database);
  const insert = database.prepare('INSERT INTO consent (request_id, consent, told) VALUES (?, ?, 0)');
  const prune = database.prepare('DELETE FROM consent WHERE id <= ?');
  const columns = 'id, request_id AS requestId, consent';
  const newest = database.prepare(`SELECT ${columns} FROM consent ORDER BY id DESC`);
  const untold = database.prepare(`SELECT ${columns} FROM consent WHERE told = 0 ORDER BY id`);
  const markTold = database.prepare('UPDATE consent SET told = 1 WHERE id = ?');
  return {
    insert(requestId, consent) {
      const id = Number(insert.run(requestId, consent).lastInsertRowid);
      prune.run(id - maxConsents);
    },
    newest: () => newest.all() as unknown as StoredConsent[],
    untold: () => untold.all() as unknown as StoredConsent[],
    markTold: (id) => void markTold.run(id),
  };
}

/** Agents before had no such column; what they kept was told, or is found by the decision that is. */
function addTold(database: DatabaseSync): void {
  const columns = database.prepare('SELECT name FROM pragma_table_info(?)').all('consent');
  if (columns.some(({ name }) => name === 'told')) return;
  database.exec('ALTER TABLE consent ADD COLUMN told INTEGER NOT NULL DEFAULT 1');
}
