/** Takes over what version 1 of the file beside the journal kept and is in the journal's file now. */
import { existsSync } from 'node:fs';
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite';
import { isDamaged } from './open-log-store.ts';

/** An answer without a response belongs to a request that a crash interrupted: it is considered anew. */
const selects = {
  fact: 'SELECT * FROM fact',
  hold: 'SELECT * FROM hold',
  answered: `SELECT request_id, digest, time_ms, response FROM answer WHERE response IS NOT NULL ORDER BY time_ms`,
  consent: 'SELECT * FROM consent',
  move: 'SELECT * FROM move WHERE journal_id = :journal',
};

/** Does nothing if the file is absent, damaged, or has been taken over already. */
export function importFormer(database: DatabaseSync, path: string, journalId: string): void {
  if (!existsSync(path)) return;
  try {
    const former = new DatabaseSync(path);
    try {
      if (Number(former.prepare('PRAGMA user_version').get()?.user_version) !== 1) return;
      for (const [table, select] of Object.entries(selects)) {
        const parameters = table === 'move' ? { journal: journalId } : {};
        copy(former.prepare(select).iterate(parameters), database, table);
      }
    } finally {
      former.close();
    }
  } catch (error) {
    if (!isDamaged(error)) throw error;
  }
}

function copy(rows: Iterable<Record<string, SQLOutputValue>>, to: DatabaseSync, table: string): void {
  for (const row of rows) {
    const columns = Object.keys(row);
    const places = columns.map(() => '?').join(', ');
    const insert = to.prepare(`INSERT INTO ${table} (${columns.join(', ')}) VALUES (${places})`);
    insert.run(...Object.values(row));
  }
}
