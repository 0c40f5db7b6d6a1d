/**
 * The end of the stream of events, read once for all who watch: it looks for new ones, keeps the last few in memory, and tells
 * whoever waits. Who is further behind reads from the database at their own pace, so a slow watcher costs nobody else anything.
 */
import { Long } from 'mongodb';
import type { Clock } from '../../../shared/clock.ts';
import type { Collections, EventDocument } from '../../../shared/database/collections.ts';
import { bigint } from '../../../shared/messages/long.ts';

export type EventTail = {
  start(): void;
  stop(): void;
  /** Looks now, not only when it is time again. */
  nudge(): void;
  /** The number of the last event that there is; 0: nothing has happened yet. */
  newest(): Promise<bigint>;
  /** Events after this one, in order, at most a page; none: it is the last. `expired`: some of them are gone. */
  after(sequence: bigint): Promise<{ kind: 'events'; events: EventDocument[] } | { kind: 'expired' }>;
  /** Resolves when there is something after this event, or when `signal` aborts. */
  more(sequence: bigint, signal: AbortSignal): Promise<void>;
};

export type EventTailOptions = {
  collections: Pick<Collections, 'events' | 'counters'>;
  clock: Clock;
  /** How often it looks while somebody waits, ms. Default 200. */
  pollMs?: number;
  /** The database did not answer; it looks again. */
  onFailure(error: unknown): void;
};

const pageSize = 500;
const maxKept = 2000;

export function createEventTail(options: EventTailOptions): EventTail {
  const { collections, clock, pollMs = 200, onFailure } = options;
  const waiting = new Set<{ sequence: bigint; wake: () => void }>();
  let kept: EventDocument[] = [];
  /** The last event that it knows of; null before it has looked. */
  let head: bigint | null = null;
  let running = false;
  let looking = false;
  let again = false;
  let cancelTimer = () => {};

  const read = (sequence: bigint): Promise<EventDocument[]> =>
    collections.events
      .find({ _id: { $gt: Long.fromBigInt(sequence) } })
      .sort({ _id: 1 })
      .limit(pageSize)
      .toArray();

  async function newest(): Promise<bigint> {
    const counter = await collections.counters.findOne({ _id: 'events' });
    return counter === null ? 0n : bigint(counter.value);
  }

  async function look(): Promise<void> {
    const from = head ?? (await newest());
    const found = head === null ? [] : await read(from);
    head = found.length === 0 ? from : bigint(found[found.length - 1]!._id);
    kept = [...kept, ...found].slice(-maxKept);
    for (const one of waiting) if (one.sequence < head) one.wake();
    again ||= found.length === pageSize;
  }

  function schedule(): void {
    cancelTimer();
    if (!running || waiting.size === 0) return;
    cancelTimer = clock.after(pollMs, nudge);
  }

  function nudge(): void {
    if (!running) return;
    if (looking) {
      again = true;
      return;
    }
    looking = true;
    again = false;
    look()
      .catch((error: unknown) => {
        // After the end the database is closed, which is no failure.
        if (running) onFailure(error);
      })
      .finally(() => {
        looking = false;
        if (again) nudge();
        else schedule();
      });
  }

  async function after(sequence: bigint) {
    const [oldest] = kept;
    if (oldest !== undefined && bigint(oldest._id) <= sequence + 1n && head !== null && sequence <= head) {
      const at = Number(sequence + 1n - bigint(oldest._id));
      return { kind: 'events' as const, events: kept.slice(at, at + pageSize) };
    }
    const events = await read(sequence);
    const [first] = events;
    if (first !== undefined) {
      return bigint(first._id) === sequence + 1n
        ? { kind: 'events' as const, events }
        : { kind: 'expired' as const };
    }
    // Nothing follows: because nothing happened since, or because it is gone, or it never was in this database.
    return (await newest()) === sequence ? { kind: 'events' as const, events } : lost(sequence);
  }

  /** An event can have been added since the read. */
  async function lost(sequence: bigint) {
    const events = await read(sequence);
    const [first] = events;
    return first !== undefined && bigint(first._id) === sequence + 1n
      ? { kind: 'events' as const, events }
      : { kind: 'expired' as const };
  }

  return {
    start() {
      running = true;
    },
    stop() {
      running = false;
      cancelTimer();
    },
    nudge,
    newest,
    after,
    async more(sequence, signal) {
      if (signal.aborted || (head !== null && head > sequence)) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      const wake = () => resolve();
      const one = { sequence, wake };
      waiting.add(one);
      signal.addEventListener('abort', wake, { once: true });
      nudge();
      await promise;
      signal.removeEventListener('abort', wake);
      waiting.delete(one);
    },
  };
}
