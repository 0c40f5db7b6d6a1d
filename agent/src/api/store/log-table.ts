/** The host application's log lines that wait to be sent: a queue of agent.v1.LogEntry, counted in bytes. */
import type { DatabaseSync } from 'node:sqlite';

export type SpooledLine = { id: number; entry: Uint8Array };

export type LogTable = {
  /** How many bytes of lines wait. */
  bytes(): number;
  append(entry: Uint8Array): void;
  /** The oldest lines, at most `maxLines` and, beyond the first, at most `maxBytes`. */
  oldest(maxLines: number, maxBytes: number): SpooledLine[];
  /** Removes the lines up to this one. */
  removeUpTo(id: number): void;
  /** Counts anew, after a write was rolled back. */
  recount(): void;
};

export function logTable(database: DatabaseSync): LogTable {
  database.exec(
    'CREATE TABLE IF NOT EXISTS log (id INTEGER PRIMARY KEY AUTOINCREMENT, entry BLOB NOT NULL) STRICT',
  );
  const sum = database.prepare('SELECT coalesce(sum(length(entry)), 0) AS bytes FROM log');
  const append = database.prepare('INSERT INTO log (entry) VALUES (?)');
  const select = database.prepare('SELECT id, entry FROM log ORDER BY id LIMIT ?');
  const sumUpTo = database.prepare('SELECT coalesce(sum(length(entry)), 0) AS bytes FROM log WHERE id <= ?');
  const remove = database.prepare('DELETE FROM log WHERE id <= ?');
  let bytes = Number(sum.get()?.bytes);
  return {
    bytes: () => bytes,
    append(entry) {
      append.run(entry);
      bytes += entry.byteLength;
    },
    oldest(maxLines, maxBytes) {
      const lines: SpooledLine[] = [];
      let total = 0;
      for (const row of select.iterate(maxLines)) {
        const line = row as unknown as SpooledLine;
        total += line.entry.byteLength;
        if (lines.length > 0 && total > maxBytes) break;
        lines.push(line);
      }
      return lines;
    },
    removeUpTo(id) {
      bytes -= Number(sumUpTo.get(id)?.bytes);
      remove.run(id);
    },
    recount() {
      bytes = Number(sum.get()?.bytes);
    },
  };
}
