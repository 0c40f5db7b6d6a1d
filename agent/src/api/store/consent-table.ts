/** The decisions of people, as agent.v1.Consent. */
import type { DatabaseSync } from 'node:sqlite';

/** How many are kept; the cloud keeps them all. */
const maxConsents = 1000;

export type StoredConsent = { id: number; requestId: string; consent: Uint8Array };

export type ConsentTable = {
  /** Returns the record's id. */
  insert(requestId: string, consent: Uint8Array): number;
  remove(id: number): void;
  /** The record that this request made, or null. */
  byRequest(requestId: string): StoredConsent | null;
  /** Newest first. */
  newest(): StoredConsent[];
};

export function consentTable(database: DatabaseSync): ConsentTable {
  database.exec(`CREATE TABLE IF NOT EXISTS consent (id INTEGER PRIMARY KEY AUTOINCREMENT, request_id TEXT NOT NULL,
    consent BLOB NOT NULL) STRICT`);
  const insert = database.prepare('INSERT INTO consent (request_id, consent) VALUES (?, ?)');
  const remove = database.prepare('DELETE FROM consent WHERE id = ?');
  const prune = database.prepare('DELETE FROM consent WHERE id <= ?');
  const columns = 'id, request_id AS requestId, consent';
  const byRequest = database.prepare(`SELECT ${columns} FROM consent WHERE request_id = ? ORDER BY id DESC`);
  const newest = database.prepare(`SELECT ${columns} FROM consent ORDER BY id DESC`);
  return {
    insert(requestId, consent) {
      const id = Number(insert.run(requestId, consent).lastInsertRowid);
      prune.run(id - maxConsents);
      return id;
    },
    remove: (id) => void remove.run(id),
    byRequest: (requestId) =>
      requestId === '' ? null : ((byRequest.get(requestId) as StoredConsent | undefined) ?? null),
    newest: () => newest.all() as unknown as StoredConsent[],
  };
}
