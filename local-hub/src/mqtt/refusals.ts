/**
 * How the engine's errors look to an MQTT client: a CONNACK return code, or the status and JSON body of a twin response. MQTT
 * 3.1.1 has no other way to refuse, so everything else closes the connection, as IoT Hub does.
 */
import { HubError, type HubErrorCode } from '../engine/error.ts';

/** CONNACK return codes (MQTT 3.1.1 table 3.1). */
export const returnCodes = {
  accepted: 0,
  unacceptableProtocolVersion: 1,
  identifierRejected: 2,
  serverUnavailable: 3,
  badUserNameOrPassword: 4,
  notAuthorized: 5,
} as const;
export type ReturnCode = (typeof returnCodes)[keyof typeof returnCodes];

/** Errors that say nothing about the client's identity: it may try again. */
const temporary: ReadonlySet<HubErrorCode> = new Set(['Throttled', 'QuotaExceeded', 'StorageUnavailable']);

/** The return code for a connection that the engine refused. */
export function connackCode(error: unknown): ReturnCode {
  if (!(error instanceof HubError) || temporary.has(error.code)) return returnCodes.serverUnavailable;
  return returnCodes.notAuthorized;
}

/** IoT Hub's numeric error codes, of which the first three digits are the status. */
const errorCodes: Partial<Record<HubErrorCode, number>> = {
  ArgumentInvalid: 400004,
  Unauthorized: 401002,
  QuotaExceeded: 403002,
  DeviceDisabled: 403006,
  DeviceNotFound: 404001,
  PreconditionFailed: 412002,
  MessageTooLarge: 413001,
  Throttled: 429002,
  StorageUnavailable: 503001,
};
const serverError = 500001;

/** A refused twin request: Microsoft's device SDKs ignore the topic's status and look for `errorCode` in the body. */
export function twinRefusal(error: unknown, nowMs: number): { status: number; body: string } {
  const known = error instanceof HubError ? error : undefined;
  const errorCode = (known && errorCodes[known.code]) ?? serverError;
  const body = JSON.stringify({
    errorCode,
    trackingId: known?.trackingId ?? '',
    message: known?.message ?? 'The hub failed. Its log says why.',
    timestampUtc: new Date(nowMs).toISOString(),
  });
  return { status: Math.floor(errorCode / 1000), body };
}

/** What the log says of an error: the engine's own words, or those of a bug. */
export const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
