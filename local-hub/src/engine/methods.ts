/**
 * Direct methods: request and response with a device that is online (devguide "Understand and invoke direct methods").
 */
import type { Clock, Timer } from './clock.ts';
import { HubError, isHubError } from './error.ts';
import type { Presence } from './presence.ts';
import { deviceNotFound, type Registry } from './registry.ts';
import type { MethodHandler, Session } from './session.ts';
import type { Throttles } from './throttles.ts';
import type { JsonValue } from './twin.ts';

export type MethodRequest = {
  methodName: string;
  /** Any JSON value; undefined for none. At most 128 KiB as JSON text. */
  payload?: unknown;
  /** How long the device may take to answer: 5 to 300 s, default 30 s. */
  responseTimeoutMs?: number | undefined;
  /** How long to wait for the device to come online: 0 (default) to 300 s. */
  connectTimeoutMs?: number | undefined;
};

export type MethodResponse = { status: number; payload: JsonValue };

export type Methods = {
  /**
   * Throws HubError `DeviceNotFound`, `DeviceNotOnline` (not connected, or not subscribed to methods, within the connect
   * timeout), `GatewayTimeout` (no answer in time), `ArgumentInvalid`, `MessageTooLarge`, `Throttled`, `QuotaExceeded`.
   */
  invoke(deviceId: string, request: MethodRequest): Promise<MethodResponse>;
  /**
   * The device's answer, from whatever connection it has by now; `body` is JSON text, empty for null. An answer that
   * nobody waits for is ignored: its caller has left.
   */
  respond(session: Session, requestId: string, status: number, body: Buffer): void;
  /** Ends the calls that are still open. */
  stop(): void;
};

export type MethodsOptions = {
  registry: Pick<Registry, 'has'>;
  presence: Pick<Presence, 'session' | 'onChange'>;
  throttles: Pick<Throttles, 'take' | 'meter'>;
  clock: Clock;
};

type OpenCall = { deviceId: string; end(result: MethodResponse | HubError): void };

const maxPayloadBytes = 128 * 1024;
/** Bytes of methods are limited in steps of 4 KiB ("Direct methods" in the throttle table). */
const meterBytes = 4096;
const defaultResponseTimeoutMs = 30_000;
const minResponseTimeoutMs = 5_000;
const maxTimeoutMs = 300_000;
const maxOpenCalls = 10_000;
/** MQTT carries the name in a topic, AMQP in a property: printable ASCII without what has a meaning in either. */
const namePattern = /^[!%&'*\-.0-9A-Z^_`a-z|~]{1,128}$/;

function checkTimeout(name: string, valueMs: number, minMs: number): void {
  if (valueMs >= minMs && valueMs <= maxTimeoutMs) return;
  const range = `${minMs / 1000} to ${maxTimeoutMs / 1000}`;
  throw new HubError('ArgumentInvalid', `${name} must be ${range} seconds, not ${valueMs / 1000}`);
}

function encodePayload(deviceId: string, { methodName, payload }: MethodRequest): Buffer {
  if (!namePattern.test(methodName)) {
    throw new HubError(
      'ArgumentInvalid',
      `A method's name has 1 to 128 letters, digits or characters of - . _ * and the like; choose another than ${JSON.stringify(methodName.slice(0, 140))}`,
    );
  }
  const body = Buffer.from(payload === undefined ? '' : JSON.stringify(payload));
  if (body.length <= maxPayloadBytes) return body;
  throw new HubError(
    'MessageTooLarge',
    `The payload of method "${methodName}" for device "${deviceId}" has ${body.length} bytes, more than ${maxPayloadBytes}. Send less, or use a file`,
  );
}

function decodeAnswer(deviceId: string, status: number, body: Buffer): MethodResponse | HubError {
  if (body.length > maxPayloadBytes) {
    return new HubError(
      'MessageTooLarge',
      `Device "${deviceId}" answered the method with ${body.length} bytes, more than ${maxPayloadBytes}. Let it answer with less`,
    );
  }
  const text = body.toString('utf8').trim();
  try {
    return { status, payload: text === '' ? null : (JSON.parse(text) as JsonValue) };
  } catch (cause) {
    const message = `Device "${deviceId}" answered the method with something that is not JSON. Correct its handler`;
    return new HubError('ArgumentInvalid', message, { cause });
  }
}

/** Creates the switchboard between callers and devices. */
export function createMethods({ registry, presence, throttles, clock }: MethodsOptions): Methods {
  const calls = new Map<string, OpenCall>();
  /** Callers that wait for a device to take methods. */
  const waiting = new Map<string, Set<(handler: MethodHandler | undefined) => void>>();
  let lastRequest = 0;

  const stopListening = presence.onChange((deviceId, event) => {
    const handler = event === 'methods' ? presence.session(deviceId)?.methodHandler : undefined;
    if (handler !== undefined) for (const tell of [...(waiting.get(deviceId) ?? [])]) tell(handler);
  });

  function waitForHandler(deviceId: string, timeoutMs: number): Promise<MethodHandler | undefined> {
    const handler = presence.session(deviceId)?.methodHandler;
    if (handler !== undefined || timeoutMs === 0) return Promise.resolve(handler);
    return new Promise((resolve) => {
      const own = waiting.get(deviceId) ?? new Set();
      const tell = (found: MethodHandler | undefined) => {
        clock.clearTimeout(timer);
        own.delete(tell);
        if (own.size === 0) waiting.delete(deviceId);
        resolve(found);
      };
      const timer: Timer = clock.setTimeout(() => tell(undefined), timeoutMs);
      waiting.set(deviceId, own.add(tell));
    });
  }

  function call(
    deviceId: string,
    methodName: string,
    body: Buffer,
    handler: MethodHandler,
    timeoutMs: number,
  ) {
    if (calls.size >= maxOpenCalls) {
      throw new HubError('Throttled', `${maxOpenCalls} method calls wait for their answers. Try again later`);
    }
    lastRequest += 1;
    const requestId = lastRequest.toString(16);
    return new Promise<MethodResponse>((resolve, reject) => {
      const timer = clock.setTimeout(() => {
        const seconds = timeoutMs / 1000;
        const message = `Device "${deviceId}" did not answer the method "${methodName}" within ${seconds} s. Does it have a handler for it?`;
        open.end(new HubError('GatewayTimeout', message));
      }, timeoutMs);
      const open: OpenCall = {
        deviceId,
        end(result) {
          clock.clearTimeout(timer);
          calls.delete(requestId);
          if (result instanceof HubError) reject(result);
          else resolve(result);
        },
      };
      calls.set(requestId, open);
      handler({ requestId, methodName, body });
    });
  }

  async function admit(deviceId: string, bytes: number): Promise<void> {
    await throttles.take('method', 1, deviceId);
    await throttles.take('methodBytes', Math.max(1, Math.ceil(bytes / meterBytes)) * meterBytes, deviceId);
    throttles.meter(bytes, 'method');
  }

  return {
    async invoke(deviceId, request) {
      const { methodName, responseTimeoutMs = defaultResponseTimeoutMs, connectTimeoutMs = 0 } = request;
      const body = encodePayload(deviceId, request);
      checkTimeout('responseTimeoutInSeconds', responseTimeoutMs, minResponseTimeoutMs);
      checkTimeout('connectTimeoutInSeconds', connectTimeoutMs, 0);
      if (!registry.has(deviceId)) throw deviceNotFound(deviceId);
      await admit(deviceId, body.length);
      const handler = await waitForHandler(deviceId, connectTimeoutMs);
      if (handler !== undefined) return call(deviceId, methodName, body, handler, responseTimeoutMs);
      const state =
        presence.session(deviceId) === undefined ? 'not connected' : 'connected, but takes no methods';
      throw new HubError(
        'DeviceNotOnline',
        `Device "${deviceId}" is ${state}; the method "${methodName}" was not sent. Try again when it is online, or give connectTimeoutInSeconds`,
      );
    },

    respond({ deviceId }, requestId, status, body) {
      const open = calls.get(requestId);
      if (open === undefined || open.deviceId !== deviceId) return;
      try {
        // An answer with a payload counts as a message of its own.
        if (body.length > 0) throttles.meter(body.length, 'method');
        open.end(decodeAnswer(deviceId, status, body));
      } catch (error) {
        if (!isHubError(error)) throw error;
        open.end(error);
      }
    },

    stop() {
      stopListening();
      for (const tellers of [...waiting.values()]) for (const tell of [...tellers]) tell(undefined);
      for (const open of [...calls.values()]) {
        open.end(
          new HubError(
            'GatewayTimeout',
            `The hub stopped before device "${open.deviceId}" answered. Call again`,
          ),
        );
      }
    },
  };
}
