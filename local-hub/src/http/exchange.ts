/** One HTTP request and its reply as handlers see them: parsed, authorised, and without sockets. */
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import type { Log } from '../diagnostics.ts';
import type { Provisioning } from '../dps/provisioning.ts';
import type { DeviceAuth } from '../engine/authentication.ts';
import type { Engine } from '../engine/engine.ts';
import { HubError } from '../engine/error.ts';
import type { ClientCertificate } from '../engine/x509-trust.ts';

export type Call = {
  method: string;
  /** The variable parts of the path, URL-decoded. */
  params: Partial<Record<string, string>>;
  query: URLSearchParams;
  headers: IncomingHttpHeaders;
  /** Names as the client wrote them, and values, in turns. */
  rawHeaders: readonly string[];
  body: Buffer;
  /** Address and port of the peer, for the log. */
  remote: string;
  clientCertificate: ClientCertificate | undefined;
  /** Who calls; set for routes that devices use. */
  device?: DeviceAuth;
};

export type Reply = {
  status: number;
  headers?: OutgoingHttpHeaders;
  /** An object is sent as JSON, a Buffer as it is; without either the reply is empty. */
  body?: object | Buffer;
};

/** What the admin API can do to the whole hub. */
export type Control = {
  /** Cuts every connection and loads all state anew, as a crash would. Resolves when the hub serves again. */
  restart(): Promise<void>;
  /** Connections by front-end. */
  connectionCounts(): { mqtt: number; amqp: number; http: number };
};

/** What handlers work with. */
export type Services = {
  engine: Engine;
  provisioning: Provisioning;
  log: Log;
  control: Control;
  /** The bearer token of the admin API. */
  adminToken: string;
  /** The name under which clients reach the hub, with its port. */
  hostName: string;
};

export type Handler = (call: Call, services: Services) => Reply | Promise<Reply>;

/** 204. */
export const nothing: Reply = { status: 204 };

/** 200 with a JSON body. */
export function ok(body: object, headers: OutgoingHttpHeaders = {}): Reply {
  return { status: 200, headers, body };
}

/** A variable part of the path; the route that names it guarantees it. */
export function param(call: Call, name: string): string {
  const value = call.params[name];
  if (value === undefined) throw new Error(`the route has no {${name}}`);
  return value;
}

/** A header that may come once; undefined when absent. */
export function header(call: Call, name: string): string | undefined {
  const value = call.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

/** The body as a JSON object. Throws HubError `ArgumentInvalid`. */
export function jsonObject(call: Call): Record<string, unknown> {
  const value = jsonValue(call);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new HubError('ArgumentInvalid', 'The body must be a JSON object');
  }
  return value as Record<string, unknown>;
}

/** The body as JSON. Throws HubError `ArgumentInvalid`. */
export function jsonValue(call: Call): unknown {
  try {
    return JSON.parse(call.body.toString('utf8'));
  } catch {
    throw new HubError('ArgumentInvalid', 'The body is not JSON');
  }
}

/** A whole number in `text`, within bounds. Undefined stays undefined; anything else throws `ArgumentInvalid`. */
export function integer(
  name: string,
  text: string | null | undefined,
  { min, max }: { min: number; max: number },
): number | undefined {
  if (text === null || text === undefined || text === '') return undefined;
  const value = Number(text);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new HubError('ArgumentInvalid', `${name} must be a whole number from ${min} to ${max}`);
}
