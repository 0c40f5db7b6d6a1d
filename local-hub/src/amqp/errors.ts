/**
 * How refusals look on the AMQP wire: the one place that maps the hub's errors to AMQP conditions and status codes. The
 * conditions are those that Microsoft's SDKs translate into their own error types.
 */
import { type HubErrorCode, isHubError } from '../engine/error.ts';
import type { CloseReason } from '../engine/presence.ts';
import { WireError } from './wire/check.ts';

/** An error as AMQP carries it in detach, end, close and rejected (AMQP 1.0 part 2, section 2.8.14). */
export type AmqpError = { condition: string; description: string };

/** A refusal that only AMQP knows, such as an unknown node. */
export class AmqpRefusal extends Error {
  override readonly name = 'AmqpRefusal';
  readonly condition: string;
  constructor(condition: string, message: string) {
    super(message);
    this.condition = condition;
  }
}

const conditions: Record<HubErrorCode, string> = {
  ArgumentInvalid: 'com.microsoft:argument-error',
  Unauthorized: 'amqp:unauthorized-access',
  DeviceNotFound: 'amqp:not-found',
  DeviceAlreadyExists: 'com.microsoft:device-already-exists',
  DeviceDisabled: 'amqp:unauthorized-access',
  DeviceNotOnline: 'amqp:not-found',
  DeviceMaximumQueueDepthExceeded: 'amqp:resource-limit-exceeded',
  TooManyDevices: 'amqp:resource-limit-exceeded',
  PreconditionFailed: 'com.microsoft:precondition-failed',
  LockLost: 'com.microsoft:message-lock-lost',
  MessageTooLarge: 'amqp:link:message-size-exceeded',
  Throttled: 'com.microsoft:device-container-throttled',
  QuotaExceeded: 'com.microsoft:quota-exceeded',
  GatewayTimeout: 'com.microsoft:timeout',
  NotFound: 'amqp:not-found',
  Conflict: 'amqp:resource-locked',
  NotImplemented: 'amqp:not-implemented',
  StorageUnavailable: 'amqp:internal-error',
};

const statusCodes: Record<HubErrorCode, number> = {
  ArgumentInvalid: 400,
  Unauthorized: 401,
  DeviceNotFound: 404,
  DeviceAlreadyExists: 409,
  DeviceDisabled: 401,
  DeviceNotOnline: 404,
  DeviceMaximumQueueDepthExceeded: 403,
  TooManyDevices: 403,
  PreconditionFailed: 412,
  LockLost: 412,
  MessageTooLarge: 413,
  Throttled: 429,
  QuotaExceeded: 403,
  GatewayTimeout: 504,
  NotFound: 404,
  Conflict: 409,
  NotImplemented: 501,
  StorageUnavailable: 503,
};

const closings: Record<CloseReason, AmqpError> = {
  kicked: { condition: 'amqp:link:stolen', description: 'a newer connection of the device took over' },
  deleted: { condition: 'amqp:not-found', description: 'the device was deleted' },
  disabled: { condition: 'amqp:unauthorized-access', description: 'the device was disabled' },
  expired: { condition: 'amqp:unauthorized-access', description: 'the token expired' },
  fault: { condition: 'amqp:connection:forced', description: 'fault injection' },
  shutdown: { condition: 'amqp:connection:forced', description: 'the hub is stopping' },
};

/** The AMQP error for anything that was thrown; undefined for what nobody expected, which is a bug of the hub. */
export function expectedError(error: unknown): AmqpError | undefined {
  if (isHubError(error))
    return {
      condition: conditions[error.code],
      description: `${error.message} (tracking id ${error.trackingId})`,
    };
  if (error instanceof AmqpRefusal) return { condition: error.condition, description: error.message };
  if (error instanceof WireError) return { condition: 'amqp:decode-error', description: error.message };
  return undefined;
}

/** The AMQP error for anything that was thrown. Bugs show nothing of themselves to the peer. */
export function toAmqpError(error: unknown): AmqpError {
  return (
    expectedError(error) ?? { condition: 'amqp:internal-error', description: 'the hub failed; see its log' }
  );
}

/** The status of a reply ($cbs, $management, twin) for anything that was thrown. */
export function toStatusCode(error: unknown): number {
  if (isHubError(error)) return statusCodes[error.code];
  if (!(error instanceof AmqpRefusal)) return error instanceof WireError ? 400 : 500;
  if (error.condition === 'amqp:not-found') return 404;
  if (error.condition === 'amqp:unauthorized-access') return 401;
  return 400;
}

/** What the links of a device are closed with. */
export const closingError = (reason: CloseReason): AmqpError => closings[reason];
