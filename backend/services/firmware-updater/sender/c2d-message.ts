/** Cloud-to-device messages on their way to the hub, and what becomes of them. */
import { c2dUnits } from '../../../shared/quota/metered.ts';

export type C2dMessage = {
  deviceId: string;
  /** A UUID. The device handles the same id once. */
  messageId: string;
  /** An encoded CloudToDevice. Handed over with its memory: do not use it afterwards. */
  body: Uint8Array<ArrayBuffer>;
  /** How long it may wait in the hub, in ms; IoT Hub drops it then. */
  lifetimeMs: number;
};

/** What the message counts in the hub's quota, in units of 4 KiB. */
export const meteredUnits = ({ body, deviceId }: C2dMessage): number => c2dUnits(body.length, deviceId);

/** What the hub said. Only `sent` means that it keeps the message. */
export type SendOutcome =
  | { kind: 'sent' }
  /** Too many sends in this minute, for the whole hub. */
  | { kind: 'throttled' }
  /** The day's messages are used up. */
  | { kind: 'quota_used' }
  /** 50 messages wait for this device already. */
  | { kind: 'queue_full' }
  | { kind: 'unknown_device' }
  /** It will never be taken as it is. */
  | { kind: 'refused'; reason: string }
  /** Nobody knows whether the hub has it; sending it again is safe, since the device knows its id. */
  | { kind: 'unreachable'; reason: string };

/** The errors of azure-iothub by name: its packages hold several copies of each class. */
export function outcomeOfError(error: { name: string; message: string }): SendOutcome {
  switch (error.name) {
    case 'ThrottlingError':
      return { kind: 'throttled' };
    case 'IotHubQuotaExceededError':
      return { kind: 'quota_used' };
    case 'DeviceMaximumQueueDepthExceededError':
      return { kind: 'queue_full' };
    case 'DeviceNotFoundError':
      return { kind: 'unknown_device' };
    case 'MessageTooLargeError':
    case 'ArgumentError':
    case 'ArgumentOutOfRangeError':
    case 'FormatError':
    case 'InvalidOperationError':
      return { kind: 'refused', reason: `${error.name}: ${error.message}` };
    default:
      return { kind: 'unreachable', reason: `${error.name}: ${error.message}` };
  }
}
