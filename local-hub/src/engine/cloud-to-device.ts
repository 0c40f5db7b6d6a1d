/**
 * Cloud-to-device messages: one durable queue per device, with the life cycle of iot-hub-devguide-messages-c2d
 * (enqueued, invisible, completed, dead lettered), and feedback about how each message ended.
 */
import { randomUUID } from 'node:crypto';
import type { Store } from '../store/store.ts';
import type { Clock } from './clock.ts';
import {
  type Command,
  contentOf,
  createContentBudget,
  newCommand,
  readMessage,
  rowOf,
  storedCommand,
} from './command.ts';
import { createDeadline } from './deadline.ts';
import { HubError } from './error.ts';
import { type FeedbackBatcher, type FeedbackStatus, statusDescriptions, wantsFeedback } from './feedback.ts';
import { createLockQueues } from './lock-queue.ts';
import { type HubMessage, meteredBytes } from './message.ts';
import { createLockQueue, type LockQueue, pendingCount } from './queue-entry.ts';
import type { LockedMessage, ReceiveOptions, Receiver } from './receiver.ts';
import { deviceNotFound, type Registry } from './registry.ts';
import type { Throttles } from './throttles.ts';

export type { ReceiveOptions, Receiver, Settlement } from './receiver.ts';

export type CloudToDeviceSettings = {
  /** Pending messages per device, delivered but unsettled ones included. Default 50. */
  maxPendingPerDevice: number;
  /** Life of a message that names no expiry, ms. Default 1 h; Azure lets it be set from 1 min to 2 d. */
  defaultTtlMs: number;
  /** How often a message may be delivered before it is dead-lettered. Default 10; Azure lets it be set from 1 to 100. */
  maxDeliveryCount: number;
  /** How long a delivered message stays invisible without being settled, ms. Default 60 s. */
  lockMs: number;
  /** What becomes of unsettled messages when their receiver closes: back in the queue at once (default), or locked to the end. */
  onDisconnect: 'requeue' | 'lock';
  /** Message bodies kept in memory, bytes over all devices; the others are read from disk when delivered. Default 64 MiB. */
  maxMemoryBytes: number;
};

/** A message handed to a receiver, until it is settled by its lock token. */
export type Delivery = LockedMessage & { message: HubMessage };

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

export const defaultCloudToDeviceSettings: CloudToDeviceSettings = {
  maxPendingPerDevice: 50,
  defaultTtlMs: 3_600_000,
  maxDeliveryCount: 10,
  lockMs: 60_000,
  onDisconnect: 'requeue',
  maxMemoryBytes: 64 * 1_048_576,
};

export type CloudToDeviceOptions = {
  store: Pick<Store, 'commands' | 'atomically'>;
  clock: Clock;
  registry: Pick<Registry, 'record' | 'onChange' | 'onRemove'>;
  throttles: Pick<Throttles, 'take' | 'meter'>;
  feedback: Pick<FeedbackBatcher, 'record'>;
  settings?: Partial<CloudToDeviceSettings>;
};

type CommandQueue = LockQueue<Command> & { readonly deviceId: string };

const maxMessageBytes = 65_536;
const sweepIntervalMs = 1_000;

/** Opens the queues with what the store has of them. */
export function createCloudToDevice(options: CloudToDeviceOptions): CloudToDevice {
  const { store, clock, registry, throttles, feedback } = options;
  const settings = { ...defaultCloudToDeviceSettings, ...options.settings };
  const { defaultTtlMs, maxPendingPerDevice } = settings;
  /** Of devices that have messages or a receiver. */
  const queues = new Map<string, CommandQueue>();
  const budget = createContentBudget(settings.maxMemoryBytes);
  const deadline = createDeadline({ clock, minIntervalMs: sweepIntervalMs, run: sweep });
  const life = createLockQueues<Command, Delivery, CommandQueue>({
    clock,
    lockMs: settings.lockMs,
    maxDeliveryCount: settings.maxDeliveryCount,
    onDisconnect: settings.onDisconnect,
    newToken: randomUUID,
    present: (command, locked) => ({
      ...locked,
      message: command.message ?? readMessage(command, store.commands),
    }),
    remove: end,
    recount: ({ sequence, deliveryCount }) => store.commands.setDeliveryCount(sequence, deliveryCount),
    atomically: store.atomically,
    onDeadline: deadline.by,
    onGone: budget.release,
    onChange(queue) {
      if (queue.entries.length === 0 && queue.holders.length === 0) queues.delete(queue.deviceId);
    },
  });

  function queueOf(deviceId: string): CommandQueue {
    let queue = queues.get(deviceId);
    if (queue === undefined) {
      queue = { ...createLockQueue<Command>(), deviceId };
      queues.set(deviceId, queue);
    }
    return queue;
  }

  function sweep(): number {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const queue of queues.values()) nextMs = Math.min(nextMs, life.sweep(queue));
    return nextMs;
  }

  /** Removes a message together with recording the feedback about it. */
  function end(command: Command, statusCode: FeedbackStatus): Promise<void> {
    const { sequence, ack, deviceId, generationId, messageId } = command;
    return store.atomically(() => {
      if (wantsFeedback(ack, statusCode)) {
        void feedback.record({
          originalMessageId: messageId,
          enqueuedTimeUtc: new Date(clock.now()).toISOString(),
          statusCode,
          description: statusDescriptions[statusCode],
          deviceId,
          deviceGenerationId: generationId,
        });
      }
      return store.commands.remove(sequence);
    });
  }

  /** Forgets the messages of a deleted device, with what was sent while it was being deleted. */
  function discard(deviceId: string): void {
    const queue = queues.get(deviceId);
    if (queue === undefined) return;
    // Refused by a full disk, they are discarded at the next start: their generation is gone.
    void removeRows(queue).catch(() => undefined);
    life.clear(queue);
  }

  function removeRows(queue: CommandQueue): Promise<unknown> {
    return store.atomically(() =>
      Promise.all(queue.entries.map(({ sequence }) => store.commands.remove(sequence))),
    );
  }

  function load(): void {
    for (const row of store.commands.load()) {
      if (registry.record(row.deviceId)?.generationId === row.generationId) {
        life.restoreFromDisk(queueOf(row.deviceId), storedCommand(row));
      } else {
        void store.commands.remove(row.sequence).catch(() => undefined);
      }
    }
  }

  load();
  registry.onRemove((deviceId) => {
    const queue = queues.get(deviceId);
    return queue === undefined ? Promise.resolve() : removeRows(queue);
  });
  registry.onChange(({ kind, device }) => {
    if (kind === 'deleted') discard(device.deviceId);
  });

  return {
    async send(deviceId, message) {
      if (registry.record(deviceId) === undefined) throw deviceNotFound(deviceId);
      const bytes = meteredBytes(message);
      if (bytes > maxMessageBytes) {
        throw new HubError(
          'MessageTooLarge',
          `The message for device "${deviceId}" has ${bytes} bytes with its properties, the maximum is ${maxMessageBytes}. Send it in parts`,
        );
      }
      await throttles.take('c2dSend', 1, deviceId);
      const device = registry.record(deviceId);
      if (device === undefined) throw deviceNotFound(deviceId);
      const existing = queues.get(deviceId);
      if (existing !== undefined) life.sweep(existing);
      if (existing !== undefined && pendingCount(existing) >= maxPendingPerDevice) {
        throw new HubError(
          'DeviceMaximumQueueDepthExceeded',
          `Device "${deviceId}" has ${maxPendingPerDevice} messages pending, its maximum. Let the device receive them, or purge them`,
        );
      }
      throttles.meter(bytes, 'c2d');
      const times = { nowMs: clock.now(), defaultTtlMs };
      const command = newCommand(store.commands.nextSequence(), device, message, times);
      const written = store.commands.add(rowOf(command), contentOf(message));
      budget.admit(command);
      life.add(queueOf(deviceId), command, written);
      return written;
    },

    receive(deviceId, receiveOptions) {
      const queue = queueOf(deviceId);
      for (const older of [...queue.holders]) life.detach(queue, older);
      // Detaching may have dropped the queue.
      queues.set(deviceId, queue);
      return life.receive(queue, receiveOptions);
    },

    async lockNext(deviceId) {
      await throttles.take('c2dReceive', 1, deviceId);
      const queue = queues.get(deviceId);
      return queue && life.lockNext(queue);
    },
    complete: (deviceId, token) => life.settle(queues.get(deviceId), token, 'complete'),
    abandon: (deviceId, token) => life.settle(queues.get(deviceId), token, 'abandon'),
    reject: (deviceId, token) => life.settle(queues.get(deviceId), token, 'reject'),

    async purge(deviceId) {
      if (registry.record(deviceId) === undefined) throw deviceNotFound(deviceId);
      const queue = queues.get(deviceId);
      return queue === undefined ? 0 : life.removeAll(queue, 'Purged');
    },

    pending(deviceId) {
      const queue = queues.get(deviceId);
      return queue === undefined ? 0 : pendingCount(queue);
    },

    stop() {
      deadline.stop();
      for (const queue of [...queues.values()]) {
        for (const holder of [...queue.holders]) life.detach(queue, holder);
      }
    },
  };
}
