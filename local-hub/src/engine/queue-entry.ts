/**
 * What a queue is made of: entries with their state, locks, and receivers. Devices' queues and services' feeds are both
 * such queues; lock-queue.ts has what happens to them.
 */
import type { Clock } from './clock.ts';
import type { FeedbackStatus } from './feedback.ts';
import type { LockedMessage, ReceiveOptions } from './receiver.ts';

/**
 * - `writing`: on its way to the disk; not visible.
 * - `ready`: may be delivered.
 * - `locked`: delivered, not settled.
 * - `returning`: abandoned, its new delivery count on its way to the disk.
 * - `removing`: settled, expired or purged, its removal on its way to the disk.
 */
export type EntryState = 'writing' | 'ready' | 'locked' | 'returning' | 'removing';

export type Entry = {
  readonly sequence: number;
  readonly enqueuedMs: number;
  readonly expiresMs: number;
  /** How often it was abandoned. */
  deliveryCount: number;
  /** True once it was handed out. */
  delivered: boolean;
  state: EntryState;
  lock: Lock | undefined;
};

type Lock = { readonly token: string; untilMs: number; readonly holder: Holder | undefined };

/** A receiver's side of a queue. */
export type Holder = {
  window: number;
  credit: number;
  unsettled: number;
  closed: boolean;
  readonly lock: 'timed' | 'link';
  deliver(message: LockedMessage): void;
};

export type LockQueue<E extends Entry> = {
  /** By sequence. */
  readonly entries: E[];
  readonly locks: Map<string, E>;
  /** In the order of their turns. */
  readonly holders: Holder[];
  /** No entry changes by itself before this. */
  nextDeadlineMs: number;
  pumping: boolean;
  pumpAgain: boolean;
};

export type LockQueuePolicy<E extends Entry, D extends LockedMessage, Queue extends LockQueue<E>> = {
  clock: Clock;
  lockMs: number;
  maxDeliveryCount: number;
  onDisconnect: 'requeue' | 'lock';
  newToken(): string;
  /** Adds the content to a delivery. Throws HubError `StorageUnavailable`; the queue then waits a second. */
  present(entry: E, locked: LockedMessage): D;
  /** Removes the entry for good, with whatever its outcome entails. Resolves when durable. */
  remove(entry: E, outcome: FeedbackStatus): Promise<void>;
  /** Writes the new delivery count. Resolves when durable. */
  recount(entry: E): Promise<void>;
  /** Everything that `fn` writes becomes durable together. */
  atomically<T>(fn: () => T): T;
  /** Asks for a `sweep` of the queue at that time. */
  onDeadline(deadlineMs: number): void;
  /** An entry has left its queue. */
  onGone(entry: E): void;
  /** A queue has fewer entries or fewer receivers. */
  onChange(queue: Queue): void;
};

export function createLockQueue<E extends Entry>(): LockQueue<E> {
  const never = Number.POSITIVE_INFINITY;
  return {
    entries: [],
    locks: new Map(),
    holders: [],
    nextDeadlineMs: never,
    pumping: false,
    pumpAgain: false,
  };
}

/** Entries that still count: all but those on their way out. */
export function pendingCount(queue: LockQueue<Entry>): number {
  let count = 0;
  for (const entry of queue.entries) if (entry.state !== 'removing') count += 1;
  return count;
}

/** The first entry that may be handed out. Nothing overtakes an entry that is not durable yet, or is coming back. */
export function nextReady<E extends Entry>(queue: LockQueue<E>, nowMs: number): E | undefined {
  for (const entry of queue.entries) {
    if (entry.state === 'writing' || entry.state === 'returning') return undefined;
    if (entry.state === 'ready' && entry.expiresMs > nowMs) return entry;
  }
  return undefined;
}

export function createHolder<D extends LockedMessage>(options: ReceiveOptions<D>): Holder {
  const { window, credit = Number.POSITIVE_INFINITY, lock = 'timed' } = options;
  return {
    window,
    credit,
    unsettled: 0,
    closed: false,
    lock,
    // A queue hands its holders what its own policy presents.
    deliver: (message) => options.deliver(message as D),
  };
}

/** The next receiver in turn that can take a message; it then goes to the end of the line. */
export function nextHolder(queue: LockQueue<Entry>): Holder | undefined {
  const index = queue.holders.findIndex((holder) => holder.unsettled < holder.window && holder.credit > 0);
  const [holder] = index < 0 ? [] : queue.holders.splice(index, 1);
  if (holder !== undefined) queue.holders.push(holder);
  return holder;
}
