/** Which requests were carried out, and how they were answered. */
import type { DatabaseSync } from 'node:sqlite';

export type StoredAnswer = {
  /** Over the method's name and the request without its id. */
  digest: Uint8Array;
  timeMs: number;
  /** The response message. */
  response: Uint8Array;
};

export type AnswerTable = {
  find(requestId: string): StoredAnswer | null;
  put(requestId: string, answer: StoredAnswer): void;
  /** Forgets some of the oldest, more than one, if they are not of between these instants. Clocks jump: later ones go too. */
  removeOutside(fromMs: number, toMs: number): void;
};

/** How many are looked at with each new one. */
const removedAtOnce = 8;

export function answerTable(database: DatabaseSync): AnswerTable {
  // In the order of their arrival: a write then changes few pages.
  database.exec(`CREATE TABLE IF NOT EXISTS answered (id INTEGER PRIMARY KEY, request_id TEXT NOT NULL UNIQUE,
    digest BLOB NOT NULL, time_ms INTEGER NOT NULL, response BLOB NOT NULL) STRICT`);
  const find = database.prepare(
    'SELECT digest, time_ms AS timeMs, response FROM answered WHERE request_id = ?',
  );
  const put = database.prepare(
    'INSERT INTO answered (request_id, digest, time_ms, response) VALUES (?, ?, ?, ?)',
  );
  const remove = database.prepare(`DELETE FROM answered WHERE time_ms NOT BETWEEN ? AND ?
    AND id IN (SELECT id FROM answered ORDER BY id LIMIT ${removedAtOnce})`);
  return {
    find: (requestId) => (find.get(requestId) as StoredAnswer | undefined) ?? null,
    put: (requestId, { digest, timeMs, response }) => void put.run(requestId, digest, timeMs, response),
    removeOutside: (fromMs, toMs) => void remove.run(fromMs, toMs),
  };
}
