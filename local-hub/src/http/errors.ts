/**
 * Every HubError as IoT Hub writes it over HTTP: status, `iothub-errorcode` header, and a body from which the SDKs read the
 * class of their own error. The one place that knows this mapping.
 */
import { ProvisioningError } from '../dps/error.ts';
import { HubError, type HubErrorCode } from '../engine/error.ts';
import type { Reply } from './exchange.ts';

type Mapping = {
  status: number;
  /** The name in the body and in the header. */
  name: string;
  /** Set where the newer body is used, which nests a JSON text with this number in `Message`. */
  nested?: number;
};

const mappings: Record<HubErrorCode, Mapping> = {
  ArgumentInvalid: { status: 400, name: 'ArgumentInvalid' },
  Unauthorized: { status: 401, name: 'IotHubUnauthorizedAccess' },
  // Devices are not told why; the hub's log says it.
  DeviceDisabled: { status: 401, name: 'IotHubUnauthorizedAccess' },
  QuotaExceeded: { status: 403, name: 'IotHubQuotaExceeded' },
  TooManyDevices: { status: 403, name: 'TooManyDevices' },
  DeviceMaximumQueueDepthExceeded: { status: 403, name: 'DeviceMaximumQueueDepthExceeded' },
  DeviceNotFound: { status: 404, name: 'DeviceNotFound' },
  NotFound: { status: 404, name: 'NotFound' },
  DeviceNotOnline: { status: 404, name: 'DeviceNotOnline', nested: 404_103 },
  DeviceAlreadyExists: { status: 409, name: 'DeviceAlreadyExists' },
  Conflict: { status: 409, name: 'Conflict' },
  PreconditionFailed: { status: 412, name: 'PreconditionFailed' },
  LockLost: { status: 412, name: 'DeviceMessageLockLost' },
  MessageTooLarge: { status: 413, name: 'MessageTooLarge' },
  Throttled: { status: 429, name: 'ThrottlingException' },
  NotImplemented: { status: 501, name: 'NotImplemented' },
  StorageUnavailable: { status: 503, name: 'ServiceUnavailable' },
  GatewayTimeout: { status: 504, name: 'DeviceTimeout', nested: 504_101 },
};

function bodyOf({ name, nested }: Mapping, error: HubError, nowMs: number): object {
  const time = new Date(nowMs).toISOString();
  const trackingId = error.trackingId;
  // The SDKs cut the message at the first semicolon.
  const text = error.message.replaceAll(';', ',');
  const message =
    nested === undefined
      ? `ErrorCode:${name};${text}`
      : JSON.stringify({ errorCode: nested, trackingId, message: text, info: {}, timestampUtc: time });
  return { Message: message, ExceptionMessage: `Tracking ID:${trackingId}-TimeStamp:${time}` };
}

/** The reply for an error that is expected: raised by the engine, the provisioning service or a handler. */
export function errorReply(error: HubError | ProvisioningError, nowMs: number): Reply {
  if (error instanceof ProvisioningError) return { status: error.status, body: error.body(nowMs) };
  const mapping = mappings[error.code];
  return {
    status: mapping.status,
    headers: {
      'iothub-errorcode': mapping.name,
      // How soon the shaping of one second may have made room again.
      ...(mapping.status === 429 && { 'Retry-After': '1' }),
    },
    body: bodyOf(mapping, error, nowMs),
  };
}

/** Whether `errorReply` has a reply for it. */
export function isExpected(error: unknown): error is HubError | ProvisioningError {
  return error instanceof HubError || error instanceof ProvisioningError;
}

/** The reply for anything else that was thrown: a bug of the hub, about which the caller learns nothing but its number. */
export function internalErrorReply(trackingId: string, nowMs: number): Reply {
  const time = new Date(nowMs).toISOString();
  return {
    status: 500,
    headers: { 'iothub-errorcode': 'ServerError' },
    body: {
      Message: 'ErrorCode:ServerError;The local hub failed to handle the request. Its log says why',
      ExceptionMessage: `Tracking ID:${trackingId}-TimeStamp:${time}`,
    },
  };
}
