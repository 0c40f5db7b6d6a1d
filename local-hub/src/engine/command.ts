/** One cloud-to-device message in its device's queue, and where its content is. */
import type { CommandRow, Content, Store } from '../store/store.ts';
import { HubError } from './error.ts';
import { type Ack, detached, type HubMessage, type MessageHeader, meteredBytes } from './message.ts';
import type { Entry } from './queue-entry.ts';

/** Its content is in memory, or, when `message` is undefined, only on disk. */
export type Command = Entry & {
  readonly deviceId: string;
  readonly generationId: string;
  readonly ack: Ack;
  /** Empty when the sender gave none. */
  readonly messageId: string;
  message: HubMessage | undefined;
};

/** IoT Hub's longest time to live, 2 days; a later expiry counts as this. */
const maxTtlMs = 172_800_000;

export function newCommand(
  sequence: number,
  device: { deviceId: string; generationId: string },
  message: HubMessage,
  times: { nowMs: number; defaultTtlMs: number },
): Command {
  const { nowMs, defaultTtlMs } = times;
  const { ack = 'none', messageId = '', expiryTimeUtcMs = nowMs + defaultTtlMs } = message.system;
  return {
    sequence,
    deviceId: device.deviceId,
    generationId: device.generationId,
    enqueuedMs: nowMs,
    expiresMs: Math.min(expiryTimeUtcMs, nowMs + maxTtlMs),
    deliveryCount: 0,
    delivered: false,
    state: 'writing',
    lock: undefined,
    ack,
    messageId,
    message: detached(message),
  };
}

/** A command that was in the store when the hub started. */
export function storedCommand(row: CommandRow): Command {
  const ack = row.ack as Ack;
  return { ...row, ack, delivered: true, state: 'ready', lock: undefined, message: undefined };
}

export function rowOf(command: Command): CommandRow {
  const { sequence, deviceId, generationId, enqueuedMs, expiresMs, deliveryCount, ack, messageId } = command;
  return { sequence, deviceId, generationId, enqueuedMs, expiresMs, deliveryCount, ack, messageId };
}

export function contentOf({ system, properties, body }: HubMessage): Content {
  return { header: JSON.stringify({ system, properties } satisfies MessageHeader), body };
}

/** Reads the content back. Throws HubError `StorageUnavailable`. */
export function readMessage({ sequence, deviceId }: Command, commands: Store['commands']): HubMessage {
  const content = commands.content(sequence);
  if (content === undefined) {
    throw new HubError('StorageUnavailable', `Message ${sequence} of device "${deviceId}" is missing`);
  }
  return { ...(JSON.parse(content.header) as MessageHeader), body: content.body };
}

export type ContentBudget = {
  /** Counts the command's content, or lets go of it when the budget is spent. */
  admit(command: Command): void;
  /** The command is gone. */
  release(command: Command): void;
};

/** Bounds the contents that are kept in memory, over all devices. */
export function createContentBudget(maxBytes: number): ContentBudget {
  let keptBytes = 0;
  return {
    admit(command) {
      if (command.message === undefined) return;
      const bytes = meteredBytes(command.message);
      if (keptBytes + bytes > maxBytes) command.message = undefined;
      else keptBytes += bytes;
    },
    release(command) {
      if (command.message !== undefined) keptBytes -= meteredBytes(command.message);
      command.message = undefined;
    },
  };
}
