/**
 * Stores measurements in the time series, which takes part in no transaction and holds nothing unique. So a message is claimed
 * first; one that was claimed before is looked up point by point, once whoever claimed it has had time to finish.
 */
import { MongoBulkWriteError } from 'mongodb';
import type { Collections, TelemetryDocument } from '../../shared/database/collections.ts';
import type { Points } from './writes.ts';

export type PointStoreOptions = {
  collections: Pick<Collections, 'telemetry' | 'received'>;
  /** How long whoever claimed a message may be about to store it, ms. */
  claimMs: number;
  /** What this process has claimed and stored of late, which it need not wait for. Limited in size by its owner. */
  mine: {
    get(id: string): 'claimed' | 'stored' | undefined;
    set(id: string, state: 'claimed' | 'stored'): unknown;
  };
  now: () => number;
  /** Rejects when there is no use in waiting any more. */
  pause: (ms: number) => Promise<void>;
};

const duplicateKey = 11_000;

/** Claims the messages; answers those that somebody else has claimed, and when. */
async function claim(
  { received }: PointStoreOptions['collections'],
  points: readonly Points[],
  time: Date,
): Promise<Map<string, Date>> {
  const ids = points.map(({ messageId }) => messageId);
  const earlier = await received.find({ _id: { $in: ids } }).toArray();
  const claimed = new Map(earlier.map((document) => [document._id, document.time]));
  const free = ids.filter((id) => !claimed.has(id));
  if (free.length === 0) return claimed;
  try {
    await received.insertMany(
      free.map((_id) => ({ _id, time })),
      { ordered: false },
    );
  } catch (error) {
    if (!(error instanceof MongoBulkWriteError)) throw error;
    for (const { index, code } of [error.writeErrors].flat()) {
      if (code !== duplicateKey) throw error;
      // Claimed since we looked: now.
      claimed.set(free[index] ?? '', time);
    }
    if (error.code !== duplicateKey) throw error;
  }
  return claimed;
}

/** The points of these messages that are not there. */
async function missing(
  { telemetry }: PointStoreOptions['collections'],
  { deviceId, documents }: Points,
): Promise<TelemetryDocument[]> {
  const times = documents.map(({ time }) => time.getTime());
  const stored = await telemetry
    .find(
      {
        'source.deviceId': deviceId,
        time: { $gte: new Date(Math.min(...times)), $lte: new Date(Math.max(...times)) },
        _id: { $in: documents.map(({ _id }) => _id) },
      },
      { projection: { _id: 1 } },
    )
    .toArray();
  const there = new Set(stored.map(({ _id }) => _id));
  return documents.filter(({ _id }) => !there.has(_id));
}

/** Stores what is not stored yet; answers how many messages were stored before. Safe to repeat after any failure. */
export async function storePoints(options: PointStoreOptions, all: readonly Points[]): Promise<number> {
  const { collections, claimMs, mine, now, pause } = options;
  // The same message twice in a batch is one.
  const points = [...new Map(all.map((item) => [item.messageId, item])).values()].filter(
    ({ messageId }) => mine.get(messageId) !== 'stored',
  );
  if (points.length === 0) return all.length;
  const claimed = await claim(collections, points, new Date(now()));
  const fresh = points.filter(({ messageId }) => !claimed.has(messageId));
  for (const { messageId } of fresh) mine.set(messageId, 'claimed');
  const documents = fresh.flatMap((item) => item.documents);
  if (documents.length > 0) await collections.telemetry.insertMany(documents, { ordered: false });

  const doubtful = points.filter(({ messageId }) => claimed.has(messageId));
  const theirs = doubtful.filter(({ messageId }) => mine.get(messageId) === undefined);
  const youngest = Math.max(0, ...theirs.map(({ messageId }) => claimed.get(messageId)?.getTime() ?? 0));
  const waitMs = Math.min(claimMs, youngest + claimMs - now());
  if (waitMs > 0) await pause(waitMs);
  let complete = 0;
  for (const item of doubtful) {
    const lacking = await missing(collections, item);
    if (lacking.length > 0) await collections.telemetry.insertMany(lacking, { ordered: false });
    else complete += 1;
  }
  for (const { messageId } of points) mine.set(messageId, 'stored');
  return all.length - points.length + complete;
}
