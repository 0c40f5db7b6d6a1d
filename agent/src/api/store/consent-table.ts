/** The decisions of people, as agent.v1.Consent. */
import type { DatabaseSync } from 'node:sqlite';

/** How many are kept; the cloud keeps them all. */
const maxConsents = 1000;

export type StoredConsent = { id: number; requestId: string; consent: Uint8Array };

export type ConsentTable = {
  insert(requestId: string, consent: Uint8Array): void;
  /** Newest first. */
  newest(): StoredConsent[];
};

export function consentTable(database: DatabaseSync): ConsentTable {
  database.exec(`CREATE TABLE IF NOT EXISTS consent (id INTEGER PRIMARY KEY AUTOINCREMENT, request_id TEXT NOT NULL,
    consent BLOB NOT NULL) STRICT`);
  const insert = database.prepare('INSERT INTO consent (request_id, consent) VALUES (?, ?)');
  const prune = database.prepare('DELETE FROM consent WHERE id <= ?');
  const newest = database.prepare(
    'SELECT id, request_id AS requestId, consent FROM consent ORDER BY id DESC',
  );
  return {
    insert(requestId, consent) {
      const id = Number(insert.run(requestId, consent).lastInsertRowid);
      prune.run(id - maxConsents);
    },
    newest: () => newest.all() as unknown as StoredConsent[],
  };
}
