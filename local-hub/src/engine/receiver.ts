/** How messages reach a front-end and how it settles them: the same for devices' queues and services' feeds. */

/** A message handed to a receiver, until it is settled by its lock token. */
export type LockedMessage = {
  lockToken: string;
  sequence: number;
  /** How often it was abandoned before; 0 at first. */
  deliveryCount: number;
  /** True when it was, or before a restart may have been, delivered before. */
  redelivered: boolean;
  enqueuedTimeMs: number;
  expiryTimeMs: number;
};

/**
 * Settles deliveries. Each promise resolves when the outcome is durable; it rejects with HubError `LockLost` when the lock
 * token is not (or no longer) valid, and with `StorageUnavailable` when nothing has changed and a retry may succeed.
 */
export type Settlement = {
  complete(lockToken: string): Promise<void>;
  /** Back into the queue at its old place, with a higher delivery count, or dead-lettered when that is exhausted. */
  abandon(lockToken: string): Promise<void>;
  reject(lockToken: string): Promise<void>;
};

export type Receiver = Settlement & {
  /** How many deliveries may be unsettled at once. */
  setWindow(window: number): void;
  /** How many more deliveries may come (AMQP link credit), each using one up. Unlimited until first set. */
  setCredit(credit: number): void;
  /** Gives up the link: what is unsettled goes back to its queue at once, or stays locked where that is set. Idempotent. */
  close(): void;
};

export type ReceiveOptions<D> = {
  /** How many deliveries may be unsettled at once. */
  window: number;
  /** Initial credit, see `setCredit`. Default unlimited. */
  credit?: number;
  /**
   * `timed` (default): an unsettled delivery goes back into the queue after the lock time, and may then be delivered to the
   * same receiver again under a new token. `link`: locks last as long as the receiver (MQTT, which never redelivers on
   * a live connection).
   */
  lock?: 'timed' | 'link';
  /** Called in queue order, never before `receive` has returned, with durable messages only. Must not throw. */
  deliver(delivery: D): void;
};
