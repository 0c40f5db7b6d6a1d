/**
 * Cloud-to-device messages: one durable queue per device, with the life cycle of iot-hub-devguide-messages-c2d
 * (enqueued, invisible, completed, dead lettered), and feedback about how each message ended.
 */
import type { HubMessage } from './message.ts';

export type CloudToDeviceSettings = {
  /** Pending messages per device, delivered but unsettled ones included. Default 50. */
  maxPendingPerDevice: number;
  /** Life of a message that names no expiry, ms: 1 min to 2 d. Default 1 h. */
  defaultTtlMs: number;
  /** How often a message may be delivered before it is dead-lettered: 1 to 100. Default 10. */
  maxDeliveryCount: number;
  /** How long a delivered message stays invisible without being settled, ms. Default 60 s. */
  lockMs: number;
  /** What becomes of unsettled messages when their receiver closes: back in the queue at once (default), or locked to the end. */
  onDisconnect: 'requeue' | 'lock';
  /** Message bodies kept in memory, bytes over all devices; the others are read from disk when delivered. Default 64 MiB. */
  maxMemoryBytes: number;
};

/** A message handed to a receiver, until it is settled by its lock token. */
export type Delivery = {
  lockToken: string;
  sequence: number;
  /** How often it was abandoned before; 0 at first. */
  deliveryCount: number;
  /** True when it was, or before a restart may have been, delivered before. */
  redelivered: boolean;
  enqueuedTimeMs: number;
  expiryTimeMs: number;
  message: HubMessage;
};

/**
 * Settles deliveries. Each promise resolves when the outcome is durable; it rejects with HubError `LockLost` when the lock
 * token is not (or no longer) valid.
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
  /** Gives up the link: what is unsettled goes the way of `onDisconnect`. Idempotent. */
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

export type CloudToDevice = {
  /**
   * Resolves when the message is durable. Throws HubError `DeviceNotFound`, `MessageTooLarge` (over 64 KiB),
   * `DeviceMaximumQueueDepthExceeded`, `ArgumentInvalid`, `Throttled`, `QuotaExceeded`, `StorageUnavailable`.
   */
  send(deviceId: string, message: HubMessage): Promise<void>;
  /** Pushes the device's messages. A device has one receiver: an older one is closed. */
  receive(deviceId: string, options: ReceiveOptions<Delivery>): Receiver;
  /** Locks the next message for a polling device; undefined when there is none. */
  lockNext(deviceId: string): Promise<Delivery | undefined>;
  /** For polling devices; `LockLost` as in `Settlement`. */
  complete(deviceId: string, lockToken: string): Promise<void>;
  abandon(deviceId: string, lockToken: string): Promise<void>;
  reject(deviceId: string, lockToken: string): Promise<void>;
  /** Removes all of a device's messages, delivered but unsettled ones too; resolves to their number. Throws `DeviceNotFound`. */
  purge(deviceId: string): Promise<number>;
  /** Messages in the queue, delivered but unsettled ones included. */
  pending(deviceId: string): number;
  /** Closes all receivers and stops the timers. */
  stop(): void;
};
