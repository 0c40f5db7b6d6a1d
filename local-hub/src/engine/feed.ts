/**
 * A durable queue from the hub to its services, with competing receivers: feedback and file notifications. Items are
 * locked while a receiver has them and die after an hour (iot-hub-devguide-messages-c2d, -file-upload).
 */
import { randomUUID } from 'node:crypto';
import type { FeedName, Store } from '../store/store.ts';
import type { Clock } from './clock.ts';
import { createDeadline } from './deadline.ts';
import { HubError } from './error.ts';
import { createLockQueues } from './lock-queue.ts';
import { createLockQueue, type Entry, pendingCount } from './queue-entry.ts';
import type { LockedMessage, ReceiveOptions, Receiver } from './receiver.ts';

/** An item handed to a receiver, until it is settled by its lock token. */
export type FeedDelivery = LockedMessage & {
  /** JSON text, as Azure sends it in the AMQP data section. */
  body: Buffer;
};

export type FeedSettings = {
  /** Life of an item, ms. Default 1 h. */
  ttlMs: number;
  /** How long a delivered item stays invisible without being settled, ms. Default 60 s. */
  lockMs: number;
  /** How often an item may be delivered before it is dropped. Default 10. */
  maxDeliveryCount: number;
};

export const defaultFeedSettings: FeedSettings = { ttlMs: 3_600_000, lockMs: 60_000, maxDeliveryCount: 10 };

export type Feed = {
  /** Resolves when the item is durable. */
  publish(body: Buffer): Promise<void>;
  /** Receivers of one feed share its items; what is unsettled when one closes goes to the others at once. */
  receive(options: ReceiveOptions<FeedDelivery>): Receiver;
  /** Items in the feed, delivered but unsettled ones included. */
  pending(): number;
  /** Closes all receivers and stops the timers. */
  stop(): void;
};

export type FeedOptions = {
  name: FeedName;
  store: Pick<Store, 'feeds' | 'atomically'>;
  clock: Clock;
  settings?: Partial<FeedSettings>;
};

const sweepIntervalMs = 1_000;

/** Opens the feed with what the store has of it. */
export function createFeed({ name, store, clock, settings }: FeedOptions): Feed {
  const { ttlMs, lockMs, maxDeliveryCount } = { ...defaultFeedSettings, ...settings };
  const queue = createLockQueue<Entry>();
  const deadline = createDeadline({ clock, minIntervalMs: sweepIntervalMs, run: () => queues.sweep(queue) });
  const queues = createLockQueues<Entry, FeedDelivery>({
    clock,
    lockMs,
    maxDeliveryCount,
    onDisconnect: 'requeue',
    newToken: randomUUID,
    // Always from disk: items are few, and nobody may ever ask for them.
    present(entry, locked) {
      const body = store.feeds.body(entry.sequence);
      if (body === undefined) throw new HubError('StorageUnavailable', `Item ${entry.sequence} is missing`);
      return { ...locked, body };
    },
    remove: ({ sequence }) => store.feeds.remove(sequence),
    recount: ({ sequence, deliveryCount }) => store.feeds.setDeliveryCount(sequence, deliveryCount),
    atomically: store.atomically,
    onDeadline: deadline.by,
    onGone() {},
    onChange() {},
  });

  for (const row of store.feeds.load(name)) {
    const { sequence, enqueuedMs, expiresMs, deliveryCount } = row;
    const times = { sequence, enqueuedMs, expiresMs, deliveryCount };
    queues.restoreFromDisk(queue, { ...times, delivered: true, state: 'ready', lock: undefined });
  }

  return {
    publish(body) {
      const enqueuedMs = clock.now();
      const sequence = store.feeds.nextSequence();
      const row = { sequence, enqueuedMs, expiresMs: enqueuedMs + ttlMs, deliveryCount: 0 };
      const written = store.feeds.add({ ...row, feed: name }, body);
      queues.add(queue, { ...row, delivered: false, state: 'writing', lock: undefined }, written);
      return written;
    },
    receive: (options) => queues.receive(queue, options),
    pending: () => pendingCount(queue),
    stop() {
      deadline.stop();
      for (const holder of [...queue.holders]) queues.detach(queue, holder);
    },
  };
}
