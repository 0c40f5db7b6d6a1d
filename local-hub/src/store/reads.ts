/** Everything that is read from the database: on the caller's thread, in a connection that cannot write. */
import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';
import { HubError } from '../engine/error.ts';
import type { CommandRow, Content, DocumentKind, EventRow, FeedName, FeedRow, LogPosition } from './store.ts';

type Row = Record<string, SQLOutputValue>;

function bufferOf(value: SQLOutputValue | undefined): Buffer {
  const bytes = value as Uint8Array;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const commandColumns = `sequence, device_id AS deviceId, generation_id AS generationId, enqueued_ms AS enqueuedMs,
  expires_ms AS expiresMs, delivery_count AS deliveryCount, ack, message_id AS messageId`;
const positionColumns = 'sequence, offset, enqueued_ms AS enqueuedMs';

function prepareReads(database: DatabaseSync, partitionCount: number) {
  const perPartition = (sql: (table: string) => string) =>
    Array.from({ length: partitionCount }, (_, partition) => database.prepare(sql(`event_${partition}`)));
  return {
    documents: database.prepare('SELECT id, value FROM document WHERE kind = ? ORDER BY id'),
    commands: database.prepare(`SELECT ${commandColumns} FROM command ORDER BY sequence`),
    content: database.prepare('SELECT header, body FROM command WHERE sequence = ?'),
    feed: database.prepare(
      `SELECT sequence, feed, enqueued_ms AS enqueuedMs, expires_ms AS expiresMs, delivery_count AS deliveryCount
       FROM feed_item WHERE feed = ? ORDER BY sequence`,
    ),
    feedBody: database.prepare('SELECT body FROM feed_item WHERE sequence = ?'),
    lastSequence: database.prepare('SELECT seq FROM sqlite_sequence WHERE name = ?'),
    feedbackRecords: database.prepare('SELECT sequence, record FROM feedback_record ORDER BY sequence'),
    trimmed: database.prepare(`SELECT ${positionColumns} FROM trimmed WHERE partition = ?`),
    events: perPartition(
      (table) => `SELECT ${positionColumns}, device_id AS deviceId, header, body
        FROM ${table} WHERE sequence >= ? ORDER BY sequence LIMIT ?`,
    ),
    firstEvent: perPartition(
      (table) => `SELECT ${positionColumns} FROM ${table} WHERE sequence >= ? ORDER BY sequence LIMIT 1`,
    ),
    lastEvent: perPartition(
      (table) => `SELECT ${positionColumns} FROM ${table} ORDER BY sequence DESC LIMIT 1`,
    ),
  };
}

export type Reads = ReturnType<typeof createReads>;

/** All reads throw HubError `StorageUnavailable` when the disk does not answer. */
export function createReads(database: DatabaseSync, partitionCount: number) {
  const statements = prepareReads(database, partitionCount);

  function guarded<T>(read: () => T): T {
    try {
      return read();
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new HubError('StorageUnavailable', `The hub could not read its data: ${reason}`, { cause });
    }
  }
  const one = <T>(row: Row | undefined) => row as T | undefined;

  return {
    documents: <T>(kind: DocumentKind): { id: string; value: T }[] =>
      guarded(() =>
        statements.documents.all(kind).map(({ id, value }) => ({
          id: id as string,
          value: JSON.parse(value as string) as T,
        })),
      ),
    commands: (): CommandRow[] => guarded(() => statements.commands.all() as unknown as CommandRow[]),
    content: (sequence: number): Content | undefined =>
      guarded(() => {
        const row = statements.content.get(sequence);
        return row && { header: row.header as string, body: bufferOf(row.body) };
      }),
    feed: (feed: FeedName): FeedRow[] => guarded(() => statements.feed.all(feed) as unknown as FeedRow[]),
    feedBody: (sequence: number): Buffer | undefined =>
      guarded(() => {
        const row = statements.feedBody.get(sequence);
        return row && bufferOf(row.body);
      }),
    lastSequence: (table: 'command' | 'feed_item'): number =>
      guarded(() => Number(statements.lastSequence.get(table)?.seq ?? 0)),
    feedbackRecords: (): { sequence: number; record: string }[] =>
      guarded(() => statements.feedbackRecords.all() as { sequence: number; record: string }[]),
    trimmed: (partition: number): LogPosition | undefined =>
      guarded(() => one<LogPosition>(statements.trimmed.get(partition))),
    events: (
      partition: number,
      fromSequence: number,
      { maxCount, maxBytes }: { maxCount: number; maxBytes: number },
    ): EventRow[] =>
      guarded(() => {
        const rows: EventRow[] = [];
        let bytes = 0;
        // Row by row, because a body may be 256 KiB: reading `maxCount` of them before counting could take 1 GiB.
        for (const row of statements.events[partition]!.iterate(fromSequence, maxCount)) {
          const body = bufferOf(row.body);
          bytes += body.length + (row.header as string).length;
          if (bytes > maxBytes && rows.length > 0) break;
          rows.push({ ...(row as Omit<EventRow, 'body'>), body });
        }
        return rows;
      }),
    positionFrom: (partition: number, fromSequence: number): LogPosition | undefined =>
      guarded(() => one<LogPosition>(statements.firstEvent[partition]!.get(fromSequence))),
    lastPosition: (partition: number): LogPosition | undefined =>
      guarded(() => one<LogPosition>(statements.lastEvent[partition]!.get())),
  };
}
