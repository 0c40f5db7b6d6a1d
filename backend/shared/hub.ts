/**
 * Azure IoT Hub's service API over HTTPS: twins, direct methods, the queue of commands. It is azure-iothub's own Registry and REST
 * client; what is ours is the agent beneath them, because the vendor's accepts neither a port nor an authority of one's own.
 * Sending commands goes over AMQP and is the firmware updater's alone.
 */
import { Agent, type RequestOptions } from 'node:https';
import type { Duplex } from 'node:stream';
import { getCACertificates } from 'node:tls';
import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import iothub from 'azure-iothub';
import sas from 'azure-iothub/dist/common-core/shared_access_signature.js';
import http from 'azure-iothub/dist/common-http/http.js';
import rest from 'azure-iothub/dist/common-http/rest_api_client.js';

/** A shared access policy of a hub, from its connection string. `host` may carry a port. */
export type HubAddress = { host: string; policyName: string; key: string };

/** Reads `HostName=…;SharedAccessKeyName=…;SharedAccessKey=…`. Throws when one of the three is missing, without naming a value. */
export function parseHubConnectionString(connectionString: string): HubAddress {
  const fields = new Map(
    connectionString.split(';').map((part): [string, string] => {
      const at = part.indexOf('=');
      return [part.slice(0, at).trim().toLowerCase(), part.slice(at + 1).trim()];
    }),
  );
  const field = (name: string): string => {
    const value = fields.get(name.toLowerCase());
    if (value === undefined || value === '') throw new Error(`the hub's connection string has no ${name}`);
    return value;
  };
  return { host: field('HostName'), policyName: field('SharedAccessKeyName'), key: field('SharedAccessKey') };
}

/** What became of a call. Only `done` has a value; `unreachable` is whatever else went wrong, and worth another try. */
export type HubAnswer<T> =
  | { kind: 'done'; value: T }
  | { kind: 'unknown_device' }
  /** The device is registered, but not connected; only of direct methods. */
  | { kind: 'offline' }
  | { kind: 'exists' }
  /** `retryAfterMs`: as the hub asks; undefined when it does not say. */
  | { kind: 'throttled'; retryAfterMs: number | undefined }
  | { kind: 'unreachable'; reason: string };

/** What is asked of a device's direct method, and for how long. */
export type MethodCall = {
  name: string;
  payload: JsonValue;
  /** How long the device may take to connect, in ms. Default 0: it must be connected. */
  connectTimeoutMs?: number;
  /** Between 5 and 300 s, in ms. Default 30 s. */
  responseTimeoutMs?: number;
};

export type Hub = {
  readonly registry: iothub.Registry;
  /** Merges this into the desired properties of the device's twin; null removes. */
  setDesired(deviceId: string, patch: JsonObject): Promise<HubAnswer<void>>;
  /** Empties the queue of commands that wait in the hub, and answers how many there were. */
  purge(deviceId: string): Promise<HubAnswer<number>>;
  invoke(deviceId: string, call: MethodCall): Promise<HubAnswer<{ status: number; payload: JsonValue }>>;
  /** Any call of the Registry, with its errors as an answer. */
  ask<T>(call: (registry: iothub.Registry) => Promise<T>): Promise<HubAnswer<T>>;
  close(): void;
};

export type HubOptions = {
  connectionString: string;
  /** An authority beside the system's. */
  caPem?: string | undefined;
  /** How long a call may take, in ms; direct methods take their own time in addition. Default 30 s. */
  timeoutMs?: number;
};

const apiVersion = 'api-version=2021-04-12';
const hourMs = 3_600_000;

/** Connects to a host and port, for a client that takes `host:port` for a host. */
class HubAgent extends Agent {
  readonly #host: string;
  readonly #port: number;

  constructor(address: string, caPem: string | undefined) {
    super({ keepAlive: true, ...(caPem !== undefined && { ca: [...getCACertificates('default'), caPem] }) });
    const { hostname, port } = new URL(`https://${address}`);
    this.#host = hostname;
    this.#port = port === '' ? 443 : Number(port);
  }

  override createConnection(
    options: RequestOptions,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): Duplex | null | undefined {
    const mapped = { ...options, host: this.#host, port: this.#port, servername: this.#host };
    return super.createConnection(mapped, callback);
  }
}

/** The vendor's `setOptions` replaces the agent in the constructor of Registry; here it does nothing. */
class FixedRest extends rest.RestApiClient {
  override setOptions(): void {}
}

type RestError = Error & {
  response?: { statusCode?: number; headers?: Record<string, string | undefined> };
  responseBody?: string;
};

const notOnline = /404103|DeviceNotOnline/;

function answerOf(error: RestError): Exclude<HubAnswer<never>, { kind: 'done' }> {
  const { statusCode, headers } = error.response ?? {};
  if (statusCode === 404) {
    return { kind: notOnline.test(error.responseBody ?? '') ? 'offline' : 'unknown_device' };
  }
  if (statusCode === 409) return { kind: 'exists' };
  if (statusCode === 429) {
    const seconds = Number(headers?.['retry-after']);
    return { kind: 'throttled', retryAfterMs: seconds > 0 ? seconds * 1_000 : undefined };
  }
  return { kind: 'unreachable', reason: statusCode === undefined ? error.message : `HTTP ${statusCode}` };
}

/** Throws for a connection string that is not one; nothing is connected before the first call. */
export function createHub({ connectionString, caPem, timeoutMs = 30_000 }: HubOptions): Hub {
  const { host, policyName, key } = parseHubConnectionString(connectionString);
  const agent = new HubAgent(host, caPem);
  const base = new http.Http();
  base.setOptions({ http: { agent } });
  const expiry = Math.floor((Date.now() + hourMs) / 1_000);
  // The REST client extends the token with each call.
  const sharedAccessSignature = sas.SharedAccessSignature.create(host, policyName, key, expiry);
  const client = new FixedRest({ host, sharedAccessSignature }, 'iotdh-backend', base);
  const registry = new iothub.Registry({ host, sharedAccessSignature }, client);

  /** The vendor's calls know no limit of time. */
  async function within<T>(limitMs: number, call: Promise<T>): Promise<HubAnswer<T>> {
    const { promise, resolve } = Promise.withResolvers<HubAnswer<T>>();
    const timer = setTimeout(
      () => resolve({ kind: 'unreachable', reason: `no answer within ${limitMs} ms` }),
      limitMs,
    );
    call.then(
      (value) => resolve({ kind: 'done', value }),
      (error: RestError) => resolve(answerOf(error)),
    );
    const answer = await promise;
    clearTimeout(timer);
    return answer;
  }

  function request<T>(method: 'DELETE' | 'POST', path: string, body: unknown, limitMs: number) {
    const headers = { 'Content-Type': 'application/json; charset=utf-8' };
    const call = new Promise<T>((resolve, reject) => {
      client.executeApiCall(method, path, headers, body, limitMs, (error, result: T) => {
        if (error) reject(error);
        else resolve(result);
      });
    });
    return within(limitMs, call);
  }

  const pathOf = (deviceId: string, rest: string): string =>
    `/${rest.replace('{id}', encodeURIComponent(deviceId))}?${apiVersion}`;

  return {
    registry,
    ask: (call) => within(timeoutMs, call(registry)),
    async setDesired(deviceId, patch) {
      const answer = await within(
        timeoutMs,
        registry.updateTwin(deviceId, { properties: { desired: patch } }, '*'),
      );
      return answer.kind === 'done' ? { kind: 'done', value: undefined } : answer;
    },
    async purge(deviceId) {
      const path = pathOf(deviceId, 'devices/{id}/commands');
      const answer = await request<{ totalMessagesPurged: number }>('DELETE', path, undefined, timeoutMs);
      return answer.kind === 'done' ? { kind: 'done', value: answer.value.totalMessagesPurged } : answer;
    },
    invoke(deviceId, { name, payload, connectTimeoutMs = 0, responseTimeoutMs = 30_000 }) {
      const body = {
        methodName: name,
        payload,
        connectTimeoutInSeconds: Math.ceil(connectTimeoutMs / 1_000),
        responseTimeoutInSeconds: Math.ceil(responseTimeoutMs / 1_000),
      };
      const limitMs = timeoutMs + connectTimeoutMs + responseTimeoutMs;
      return request('POST', pathOf(deviceId, 'twins/{id}/methods'), body, limitMs);
    },
    close: () => agent.destroy(),
  };
}
