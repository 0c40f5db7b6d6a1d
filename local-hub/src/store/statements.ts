/** Every statement that writes: the closed set of what the writer can be asked to do. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** The last parameter of `addCommand`, `addFeedItem` and `appendEvent` is a body, which travels apart (see batch.ts). */
const statements = {
  putDocument: 'INSERT OR REPLACE INTO document VALUES (?, ?, ?)',
  removeDocument: 'DELETE FROM document WHERE kind = ? AND id = ?',
  addCommand: 'INSERT INTO command VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
  removeCommand: 'DELETE FROM command WHERE sequence = ?',
  countCommand: 'UPDATE command SET delivery_count = ? WHERE sequence = ?',
  addFeedItem: 'INSERT INTO feed_item VALUES (?, ?, ?, ?, ?, ?)',
  removeFeedItem: 'DELETE FROM feed_item WHERE sequence = ?',
  countFeedItem: 'UPDATE feed_item SET delivery_count = ? WHERE sequence = ?',
  addFeedbackRecord: 'INSERT INTO feedback_record VALUES (?, ?)',
  removeFeedbackRecords: 'DELETE FROM feedback_record WHERE sequence <= ?',
  markTrimmed: 'INSERT OR REPLACE INTO trimmed VALUES (?, ?, ?, ?)',
} as const;

const partitionStatements = {
  appendEvent: (partition: number) => `INSERT INTO event_${partition} VALUES (?, ?, ?, ?, ?, ?)`,
  trimEvents: (partition: number) => `DELETE FROM event_${partition} WHERE sequence <= ?`,
} as const;

export type StatementName = keyof typeof statements | `${keyof typeof partitionStatements}:${number}`;

/** Prepares all of them for one connection. */
export function prepareWrites(
  database: DatabaseSync,
  partitionCount: number,
): ReadonlyMap<StatementName, StatementSync> {
  const prepared = new Map<StatementName, StatementSync>();
  for (const name of Object.keys(statements) as (keyof typeof statements)[]) {
    prepared.set(name, database.prepare(statements[name]));
  }
  for (let partition = 0; partition < partitionCount; partition += 1) {
    prepared.set(`appendEvent:${partition}`, database.prepare(partitionStatements.appendEvent(partition)));
    prepared.set(`trimEvents:${partition}`, database.prepare(partitionStatements.trimEvents(partition)));
  }
  return prepared;
}
