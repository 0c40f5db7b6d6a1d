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
  /** Forgets the requests of before then. */
  removeBefore(timeMs: number): void;
};

export function answerTable(database: DatabaseSync): AnswerTable {
  database.exec(`CREATE TABLE IF NOT EXISTS answer (request_id TEXT PRIMARY KEY, digest BLOB NOT NULL,
    time_ms INTEGER NOT NULL, response BLOB) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS answer_time ON answer (time_ms)`);
  const find = database.prepare(
    'SELECT digest, time_ms AS timeMs, response FROM answer WHERE request_id = ?',
  );
  const put = database.prepare('INSERT OR REPLACE INTO answer VALUES (?, ?, ?, ?)');
  const removeBefore = database.prepare('DELETE FROM answer WHERE time_ms < ?');
  return {
    find: (requestId) => (find.get(requestId) as StoredAnswer | undefined) ?? null,
    put: (requestId, { digest, timeMs, response }) => void put.run(requestId, digest, timeMs, response),
    removeBefore: (timeMs) => void removeBefore.run(timeMs),
  };
}
