/**
 * Direct methods: request and response with a device that is online (devguide "Understand and invoke direct methods").
 */
import type { Session } from './presence.ts';
import type { JsonValue } from './twin.ts';

export type MethodRequest = {
  methodName: string;
  /** Any JSON value; undefined for none. At most 128 KiB as JSON text. */
  payload?: unknown;
  /** How long the device may take to answer: 5 to 300 s, default 30 s. */
  responseTimeoutMs?: number | undefined;
  /** How long to wait for the device to come online: 0 to 300 s, default 0. */
  connectTimeoutMs?: number | undefined;
};

export type MethodResponse = { status: number; payload: JsonValue };

export type Methods = {
  /**
   * Throws HubError `DeviceNotFound`, `DeviceNotOnline` (not connected, or not subscribed to methods, within the connect
   * timeout), `GatewayTimeout` (no answer in time), `ArgumentInvalid`, `Throttled`.
   */
  invoke(deviceId: string, request: MethodRequest): Promise<MethodResponse>;
  /** The device's answer; `body` is JSON text, empty for null. Unknown request ids are ignored: their callers have left. */
  respond(session: Session, requestId: string, status: number, body: Buffer): void;
  /** Refuses the calls that are still open. */
  stop(): void;
};
