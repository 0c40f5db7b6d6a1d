/** How far transfers have come, as the devices say with each request: kept at most once a second for each assignment. */
import { LRUCache } from 'lru-cache';
import { Long } from 'mongodb';
import type { Clock } from '../../../shared/clock.ts';
import type { Collections } from '../../../shared/database/collections.ts';
import { appendEvents } from '../../../shared/database/events.ts';
import type { Transact } from '../../../shared/database/transaction.ts';
import type { Log } from '../../../shared/log.ts';
import { assignmentEvent } from '../../../shared/messages/fleet-event.ts';

export type ProgressOptions = {
  transact: Transact;
  collections: Collections;
  clock: Clock;
  log: Log;
  /** Default 1 s. */
  everyMs?: number;
};

export type Reported = { assignmentId: string; receivedBytes: number; totalBytes: number };

export type Progress = {
  /** Returns at once. What cannot be kept is forgotten: the next request says it anew. */
  report(reported: Reported): void;
  /** Resolves when nothing is being written any more. */
  stop(): Promise<void>;
};

/** `next`: what waits for its second; `busy`: it is being written. */
type Entry = { writtenMs: number; writtenBytes: number; next: Reported | undefined; busy: boolean };

const maxEntries = 10_000;

export function createProgress(options: ProgressOptions): Progress {
  const { transact, collections, clock, log, everyMs = 1_000 } = options;
  const entries = new LRUCache<string, Entry>({ max: maxEntries });
  const writing = new Set<Promise<void>>();
  let stopped = false;

  async function write({ assignmentId, receivedBytes, totalBytes }: Reported): Promise<void> {
    await transact(async (session) => {
      const filter = { _id: assignmentId, goesOn: true };
      const found = await collections.assignments.findOne(filter, { session });
      if (found === null) return;
      // The device's own total, once it has said it, is better than ours: it knows what it need not fetch.
      const known = Number(found.progress?.totalBytes ?? 0);
      const total = known >= receivedBytes && known > 0 ? known : Math.max(totalBytes, receivedBytes);
      const progress = { receivedBytes: Long.fromNumber(receivedBytes), totalBytes: Long.fromNumber(total) };
      await collections.assignments.updateOne(filter, { $set: { progress } }, { session });
      const now = new Date(clock.now());
      await appendEvents(session, collections, [assignmentEvent({ ...found, progress })], now);
    });
  }

  function due(assignmentId: string, entry: Entry): void {
    const { next } = entry;
    if (next === undefined || entry.busy) return;
    entry.next = undefined;
    entry.busy = true;
    entry.writtenMs = clock.now();
    entry.writtenBytes = next.receivedBytes;
    const work = write(next)
      .catch((error: unknown) => log.info('progress was not kept', { assignmentId, error }))
      .finally(() => {
        writing.delete(work);
        entry.busy = false;
        if (entry.next !== undefined) schedule(assignmentId, entry);
      });
    writing.add(work);
  }

  function schedule(assignmentId: string, entry: Entry): void {
    if (stopped) return;
    const waitMs = entry.writtenMs + everyMs - clock.now();
    if (waitMs <= 0) due(assignmentId, entry);
    else clock.after(waitMs, () => due(assignmentId, entry));
  }

  return {
    report(reported) {
      const { assignmentId, receivedBytes } = reported;
      if (stopped) return;
      const entry = entries.get(assignmentId) ?? {
        writtenMs: Number.NEGATIVE_INFINITY,
        writtenBytes: 0,
        next: undefined,
        busy: false,
      };
      entries.set(assignmentId, entry);
      if (receivedBytes === entry.writtenBytes) return;
      const waits = entry.next !== undefined || entry.busy;
      entry.next = reported;
      if (!waits) schedule(assignmentId, entry);
    },
    async stop() {
      stopped = true;
      await Promise.all(writing);
    },
  };
}
