/**
 * The one error that the engine and the store raise towards a front-end: a closed set of codes, each mapped to the wire in
 * one file per protocol. Anything else that is thrown is a bug.
 */
import { randomUUID } from 'node:crypto';

export type HubErrorCode =
  /** Something in the request is malformed or outside its allowed range. */
  | 'ArgumentInvalid'
  | 'Unauthorized'
  | 'DeviceNotFound'
  | 'DeviceAlreadyExists'
  | 'DeviceDisabled'
  /** No live connection of the device, or none that takes direct methods. */
  | 'DeviceNotOnline'
  /** The device's cloud-to-device queue holds its maximum. */
  | 'DeviceMaximumQueueDepthExceeded'
  | 'TooManyDevices'
  /** An If-Match does not match the current etag. */
  | 'PreconditionFailed'
  /** The lock token is unknown, has expired, or its message is gone. */
  | 'LockLost'
  | 'MessageTooLarge'
  /** A rate limit that shaping could not absorb. */
  | 'Throttled'
  /** The day's message quota is spent. */
  | 'QuotaExceeded'
  /** The device did not answer a direct method in time. */
  | 'GatewayTimeout'
  | 'NotFound'
  | 'Conflict'
  | 'NotImplemented'
  /** A write did not reach the disk; nothing of it was kept or acknowledged, and a retry may succeed. */
  | 'StorageUnavailable';

/** `message` is for the person at the other end: what failed, on which id. `cause` is for our own log. */
export class HubError extends Error {
  override readonly name = 'HubError';
  readonly code: HubErrorCode;
  /** Ties what a client reports to our log; in every error body that Azure sends. */
  readonly trackingId: string;

  constructor(code: HubErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.trackingId = randomUUID().replaceAll('-', '').toUpperCase();
  }
}

/** Narrows `error` to a HubError, of one code if given. */
export function isHubError(error: unknown, code?: HubErrorCode): error is HubError {
  return error instanceof HubError && (code === undefined || error.code === code);
}
