/** The records of moves, agent.v1.StateChanged, by journal and sequence. */
import type { DatabaseSync } from 'node:sqlite';

export type MoveTable = {
  get(journalId: string, sequence: number): Uint8Array | null;
  /** Keeps the record, and the `maxMoves` newest. */
  put(journalId: string, sequence: number, record: Uint8Array): void;
  /** The newest sequence of this journal that is on record; 0: none. */
  newest(journalId: string): number;
};

/** As many as the machine's journal keeps. */
const maxMoves = 10_000;

export function moveTable(database: DatabaseSync): MoveTable {
  database.exec(`CREATE TABLE IF NOT EXISTS move (journal_id TEXT NOT NULL, sequence INTEGER NOT NULL,
    record BLOB NOT NULL, PRIMARY KEY (journal_id, sequence)) STRICT, WITHOUT ROWID`);
  const get = database.prepare('SELECT record FROM move WHERE journal_id = ? AND sequence = ?');
  const put = database.prepare('INSERT OR REPLACE INTO move VALUES (?, ?, ?)');
  const removeOld = database.prepare('DELETE FROM move WHERE journal_id = ? AND sequence <= ?');
  const newest = database.prepare(
    'SELECT coalesce(max(sequence), 0) AS sequence FROM move WHERE journal_id = ?',
  );
  return {
    get: (journalId, sequence) => (get.get(journalId, sequence)?.record as Uint8Array | undefined) ?? null,
    put(journalId, sequence, record) {
      put.run(journalId, sequence, record);
      removeOld.run(journalId, sequence - maxMoves);
    },
    newest: (journalId) => Number(newest.get(journalId)?.sequence),
  };
}
