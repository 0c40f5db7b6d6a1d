/**
 * The life cycle of a queued message, in memory: which entries wait, which are locked by whom, which are on their way out.
 * It decides; its policy makes every change durable first. Devices' queues and services' feeds are both made of it.
 *
 * | from | event | to |
 * | --- | --- | --- |
 * | writing | durable | ready |
 * | ready | delivered | locked |
 * | ready | expired, purged | removing |
 * | locked | completed, rejected, abandoned too often, purged | removing |
 * | locked | abandoned | returning |
 * | locked | lock expired, receiver closed | ready |
 * | returning | durable | ready |
 * | removing | durable | gone |
 * | any | its write failed | what it was before (writing: gone) |
 */
import { HubError } from './error.ts';
import type { FeedbackStatus } from './feedback.ts';
import {
  createHolder,
  type Entry,
  type Holder,
  type LockQueue,
  type LockQueuePolicy,
  nextHolder,
  nextReady,
} from './queue-entry.ts';
import type { LockedMessage, ReceiveOptions, Receiver, Settlement } from './receiver.ts';

/** How long a queue waits after the disk has failed it. */
const retryMs = 1_000;

/** The operations on queues of one policy. */
export function createLockQueues<
  E extends Entry,
  D extends LockedMessage,
  Queue extends LockQueue<E> = LockQueue<E>,
>(policy: LockQueuePolicy<E, D, Queue>) {
  const { clock, lockMs } = policy;

  function wakeBy(queue: Queue, deadlineMs: number): void {
    if (deadlineMs < queue.nextDeadlineMs) {
      queue.nextDeadlineMs = deadlineMs;
      policy.onDeadline(deadlineMs);
    }
  }

  function forget(queue: Queue, entry: E): void {
    const index = queue.entries.indexOf(entry);
    if (index < 0) return;
    queue.entries.splice(index, 1);
    unlock(queue, entry);
    policy.onGone(entry);
    policy.onChange(queue);
  }

  function unlock(queue: Queue, entry: E): void {
    if (entry.lock === undefined) return;
    queue.locks.delete(entry.lock.token);
    entry.lock = undefined;
  }

  /** Takes a locked entry from its holder. */
  function release(queue: Queue, entry: E): void {
    if (entry.lock?.holder) entry.lock.holder.unsettled -= 1;
    unlock(queue, entry);
    makeReady(queue, entry);
  }

  function makeReady(queue: Queue, entry: E): void {
    entry.state = 'ready';
    wakeBy(queue, entry.expiresMs);
  }

  function lock(queue: Queue, entry: E, holder: Holder | undefined): D {
    const token = policy.newToken();
    const delivery = policy.present(entry, {
      lockToken: token,
      sequence: entry.sequence,
      deliveryCount: entry.deliveryCount,
      redelivered: entry.delivered,
      enqueuedTimeMs: entry.enqueuedMs,
      expiryTimeMs: entry.expiresMs,
    });
    const untilMs = holder?.lock === 'link' ? Number.POSITIVE_INFINITY : clock.now() + lockMs;
    entry.lock = { token, untilMs, holder };
    entry.state = 'locked';
    entry.delivered = true;
    queue.locks.set(token, entry);
    wakeBy(queue, untilMs);
    return delivery;
  }

  /** Lets the disk have it; when that fails the entry is ready again, and the next sweep tries once more. */
  function expire(queue: Queue, entry: E): void {
    entry.state = 'removing';
    policy.remove(entry, 'Expired').then(
      () => forget(queue, entry),
      () => {
        entry.state = 'ready';
        wakeBy(queue, clock.now() + retryMs);
      },
    );
  }

  function isExpired(entry: E): boolean {
    return entry.state === 'ready' && entry.expiresMs <= clock.now();
  }

  function pumpOnce(queue: Queue): void {
    for (;;) {
      const entry = nextReady(queue, clock.now());
      const holder = entry && nextHolder(queue);
      if (entry === undefined || holder === undefined) return;
      let delivery: D;
      try {
        delivery = lock(queue, entry, holder);
      } catch (error) {
        if (!(error instanceof HubError)) throw error;
        wakeBy(queue, clock.now() + retryMs);
        return;
      }
      holder.unsettled += 1;
      holder.credit -= 1;
      holder.deliver(delivery);
    }
  }

  /** Hands out what can be handed out. A call from within `deliver` is taken up when that returns. */
  function pump(queue: Queue): void {
    queue.pumpAgain = true;
    if (queue.pumping) return;
    queue.pumping = true;
    try {
      while (queue.pumpAgain) {
        queue.pumpAgain = false;
        pumpOnce(queue);
      }
    } finally {
      queue.pumping = false;
    }
  }

  /** A write about a locked entry failed: it is as before, unless its lock has ended in the meantime. */
  function restore(queue: Queue, entry: E): void {
    const held = entry.lock;
    if (held === undefined || held.holder?.closed || held.untilMs <= clock.now()) {
      unlock(queue, entry);
      makeReady(queue, entry);
      pump(queue);
      return;
    }
    entry.state = 'locked';
    if (held.holder) held.holder.unsettled += 1;
  }

  function lockedEntry(queue: Queue | undefined, token: string, holder: Holder | undefined): E {
    const entry = queue?.locks.get(token);
    const valid =
      entry?.state === 'locked' &&
      (holder === undefined || entry.lock?.holder === holder) &&
      (entry.lock?.untilMs ?? 0) > clock.now();
    if (!valid)
      throw new HubError(
        'LockLost',
        'The lock token is unknown, or its lock has ended. The message is delivered again',
      );
    return entry;
  }

  async function leave(queue: Queue, entry: E, outcome: FeedbackStatus): Promise<void> {
    entry.state = 'removing';
    const removed = policy.remove(entry, outcome);
    pump(queue);
    try {
      await removed;
    } catch (error) {
      restore(queue, entry);
      throw error;
    }
    forget(queue, entry);
  }

  async function comeBack(queue: Queue, entry: E): Promise<void> {
    entry.state = 'returning';
    entry.deliveryCount += 1;
    try {
      await policy.recount(entry);
    } catch (error) {
      entry.deliveryCount -= 1;
      if (entry.state === 'returning') restore(queue, entry);
      throw error;
    }
    // Purged in the meantime, otherwise.
    if (entry.state !== 'returning') return;
    unlock(queue, entry);
    makeReady(queue, entry);
    pump(queue);
  }

  /** Settles by token; with a holder, only what that holder has. */
  async function settle(
    queue: Queue | undefined,
    token: string,
    verb: keyof Settlement,
    holder?: Holder,
  ): Promise<void> {
    const entry = lockedEntry(queue, token, holder);
    if (queue === undefined) return;
    if (entry.lock?.holder) entry.lock.holder.unsettled -= 1;
    if (verb === 'complete') return leave(queue, entry, 'Success');
    if (verb === 'reject') return leave(queue, entry, 'Rejected');
    const exhausted = entry.deliveryCount + 1 >= policy.maxDeliveryCount;
    return exhausted ? leave(queue, entry, 'DeliveryCountExceeded') : comeBack(queue, entry);
  }

  function detach(queue: Queue, holder: Holder): void {
    if (holder.closed) return;
    holder.closed = true;
    queue.holders.splice(queue.holders.indexOf(holder), 1);
    for (const entry of queue.entries) {
      if (entry.state !== 'locked' || entry.lock?.holder !== holder) continue;
      if (policy.onDisconnect === 'requeue') release(queue, entry);
      else {
        entry.lock.untilMs = Math.min(entry.lock.untilMs, clock.now() + lockMs);
        wakeBy(queue, entry.lock.untilMs);
      }
    }
    pump(queue);
    policy.onChange(queue);
  }

  return {
    settle,
    detach,

    /** Adds an entry whose write is under way; delivers it when that is durable, forgets it when it fails. */
    add(queue: Queue, entry: E, written: Promise<void>): void {
      queue.entries.push(entry);
      written.then(
        () => {
          if (entry.state !== 'writing') return;
          makeReady(queue, entry);
          pump(queue);
        },
        () => forget(queue, entry),
      );
    },

    /** Adds an entry that is durable already. */
    restoreFromDisk(queue: Queue, entry: E): void {
      queue.entries.push(entry);
      makeReady(queue, entry);
    },

    /** Lets a receiver take part. Deliveries begin in a later turn. */
    receive(queue: Queue, options: ReceiveOptions<D>): Receiver {
      const holder = createHolder(options);
      queue.holders.push(holder);
      queueMicrotask(() => pump(queue));
      return {
        complete: (token) => settle(queue, token, 'complete', holder),
        abandon: (token) => settle(queue, token, 'abandon', holder),
        reject: (token) => settle(queue, token, 'reject', holder),
        setWindow(limit) {
          holder.window = limit;
          pump(queue);
        },
        setCredit(left) {
          holder.credit = left;
          pump(queue);
        },
        close: () => detach(queue, holder),
      };
    },

    /** Locks the next entry for someone who polls. */
    lockNext(queue: Queue): D | undefined {
      const entry = nextReady(queue, clock.now());
      return entry && lock(queue, entry, undefined);
    },

    /** Removes every durable entry, locked or not, in one transaction. Resolves to their number. */
    async removeAll(queue: Queue, outcome: FeedbackStatus): Promise<number> {
      const leaving = queue.entries.filter(({ state }) => state !== 'writing' && state !== 'removing');
      if (leaving.length === 0) return 0;
      const removed = policy.atomically(() =>
        leaving.map((entry) => {
          if (entry.state === 'locked') release(queue, entry);
          else unlock(queue, entry);
          entry.state = 'removing';
          return policy.remove(entry, outcome);
        }),
      );
      try {
        await Promise.all(removed);
      } catch (error) {
        for (const entry of leaving) makeReady(queue, entry);
        pump(queue);
        throw error;
      }
      for (const entry of leaving) forget(queue, entry);
      return leaving.length;
    },

    /** Forgets everything: the entries are removed elsewhere. Their receivers get nothing more. */
    clear(queue: Queue): void {
      for (const entry of [...queue.entries]) {
        entry.state = 'removing';
        forget(queue, entry);
      }
      for (const holder of [...queue.holders]) detach(queue, holder);
    },

    /** Ends what has expired, messages and locks, and returns when to look again. */
    sweep(queue: Queue): number {
      const nowMs = clock.now();
      if (queue.nextDeadlineMs > nowMs) return queue.nextDeadlineMs;
      queue.nextDeadlineMs = Number.POSITIVE_INFINITY;
      for (const entry of queue.entries) {
        if (entry.state === 'locked' && entry.lock !== undefined && entry.lock.untilMs <= nowMs) {
          release(queue, entry);
        }
        if (isExpired(entry)) expire(queue, entry);
        else if (entry.state === 'ready') wakeBy(queue, entry.expiresMs);
        else if (entry.state === 'locked') wakeBy(queue, entry.lock?.untilMs ?? nowMs);
      }
      pump(queue);
      return queue.nextDeadlineMs;
    },
  };
}
