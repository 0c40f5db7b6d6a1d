/** The holds on BUSY, oldest first. */
import type { DatabaseSync } from 'node:sqlite';

export type StoredHold = {
  /** Ascending in the order in which holds were taken. */
  id: number;
  /** Empty: no lease. */
  leaseId: string;
  /** The request that took it; empty if it named none. */
  requestId: string;
  /** An agent.v1.BusyReason. */
  reason: Uint8Array;
  startMs: number;
  /** How long the lease was taken or renewed for; null: no lease. */
  durationMs: number | null;
  /** By the wall clock; null: no lease. */
  expireMs: number | null;
};

export type HoldTable = {
  all(): StoredHold[];
  /** Returns the hold's id. */
  insert(hold: Omit<StoredHold, 'id'>): number;
  renew(id: number, reason: Uint8Array, durationMs: number, expireMs: number): void;
  remove(id: number): void;
};

export function holdTable(database: DatabaseSync): HoldTable {
  database.exec(`CREATE TABLE IF NOT EXISTS hold (id INTEGER PRIMARY KEY, lease_id TEXT NOT NULL,
    request_id TEXT NOT NULL, reason BLOB NOT NULL, start_ms INTEGER NOT NULL, duration_ms INTEGER, expire_ms INTEGER) STRICT`);
  const select =
    database.prepare(`SELECT id, lease_id AS leaseId, request_id AS requestId, reason, start_ms AS startMs,
    duration_ms AS durationMs, expire_ms AS expireMs FROM hold ORDER BY id`);
  const insert = database.prepare(
    'INSERT INTO hold (lease_id, request_id, reason, start_ms, duration_ms, expire_ms) VALUES (?, ?, ?, ?, ?, ?)',
  );
  const renew = database.prepare('UPDATE hold SET reason = ?, duration_ms = ?, expire_ms = ? WHERE id = ?');
  const remove = database.prepare('DELETE FROM hold WHERE id = ?');
  return {
    all: () => select.all() as unknown as StoredHold[],
    insert: ({ leaseId, requestId, reason, startMs, durationMs, expireMs }) =>
      Number(insert.run(leaseId, requestId, reason, startMs, durationMs, expireMs).lastInsertRowid),
    renew: (id, reason, durationMs, expireMs) => void renew.run(reason, durationMs, expireMs, id),
    remove: (id) => void remove.run(id),
  };
}
