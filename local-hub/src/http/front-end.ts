/**
 * The HTTPS front-end of the hub: finds the route of a request, checks who calls, lets the handler answer, and turns errors
 * into IoT Hub's. Connections come from the listener, after TLS.
 */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Clock } from '../engine/clock.ts';
import { HubError } from '../engine/error.ts';
import type { ClientCertificate } from '../engine/x509-trust.ts';
import { authorize } from './access.ts';
import { checkApiVersion } from './api-version.ts';
import { errorReply, internalErrorReply, isExpected } from './errors.ts';
import type { Call, Reply, Services } from './exchange.ts';
import { readBody } from './read-body.ts';
import { createRouter, type Route, segmentsOf } from './route.ts';
import { routes } from './routes.ts';
import { sendReply } from './send-reply.ts';

/** What the listener knows of a connection. */
export type HttpConnectionInfo = { remote: string; clientCertificate: ClientCertificate | undefined };

export type HttpFrontEndOptions = Services & {
  clock: Clock;
  timeouts?: Partial<HttpTimeouts>;
  /** Takes over a connection that asks to become a WebSocket. */
  onUpgrade(request: IncomingMessage, stream: Duplex, head: Buffer, info: HttpConnectionInfo): void;
};

export type HttpFrontEnd = {
  /** Takes over a connection. */
  accept(socket: Socket, info: HttpConnectionInfo): void;
  /** Lets the requests in hand finish for a moment, then ends all connections. */
  close(): Promise<void>;
  /** Connections that did not become WebSockets. */
  readonly connectionCount: number;
};

/** Node's own names; ms. */
export type HttpTimeouts = {
  headersTimeout: number;
  requestTimeout: number;
  keepAliveTimeout: number;
  connectionsCheckingInterval: number;
};

const defaultTimeouts: Readonly<HttpTimeouts> = {
  headersTimeout: 15_000,
  requestTimeout: 60_000,
  keepAliveTimeout: 65_000,
  connectionsCheckingInterval: 5_000,
};
const defaultBodyBytes = 262_144;
/** The properties of a device-to-cloud message travel in headers. */
const maxHeaderSize = 32_768;
/** How long a closing front-end waits for requests that are being handled. */
const lingerMs = 1_000;
/** What a caller did wrong and should find in the log; the others are part of normal life. */
const loggedStatuses = new Set([400, 413, 429, 501, 503]);

/** A route that fits, and the path URL-decoded. */
type Found = { route: Route; params: Record<string, string>; plainPath: string };

const findRoute = createRouter(routes);

/** Creates the front-end. */
export function createHttpFrontEnd(options: HttpFrontEndOptions): HttpFrontEnd {
  const { clock, log, engine } = options;
  const connections = new Map<Duplex, HttpConnectionInfo>();
  const inHand = new Set<Promise<void>>();
  const server = createServer(
    { ...defaultTimeouts, ...options.timeouts, maxHeaderSize },
    (request, response) => {
      const handling = respond(request, response).finally(() => inHand.delete(handling));
      inHand.add(handling);
    },
  );
  // Node enforces the timeouts from the moment a server listens; this one never does by itself.
  server.emit('listening');

  server.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    const info = connections.get(stream);
    connections.delete(stream);
    if (info === undefined) stream.destroy();
    else options.onUpgrade(request, stream, head, info);
  });
  server.on('clientError', (error: NodeJS.ErrnoException, stream: Duplex) => {
    if (error.code === 'ECONNRESET' || !stream.writable) {
      stream.destroy();
      return;
    }
    const tooLarge = error.code === 'HPE_HEADER_OVERFLOW';
    const timedOut = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
    const status = tooLarge
      ? '431 Request Header Fields Too Large'
      : timedOut
        ? '408 Request Timeout'
        : '400 Bad Request';
    log.warn({
      what: `HTTPS connection closed from ${connections.get(stream)?.remote ?? 'an unknown client'}`,
      reason: timedOut ? 'a request did not come in time' : `a request was not HTTP/1.1 (${error.code})`,
    });
    stream.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () =>
      stream.destroy(),
    );
  });

  function routeOf(method: string, path: string): Found {
    const segments = segmentsOf(path);
    if (segments === undefined) throw new HubError('ArgumentInvalid', 'The path is not URL-encoded properly');
    const match = findRoute(method, segments);
    if (match.kind === 'found') return { ...match, plainPath: `/${segments.join('/')}` };
    const problem =
      match.kind === 'unknown-path'
        ? `IoT Hub has no such path, or the local hub does not implement it: ${path.slice(0, 200)}`
        : `${method} is not possible here, only ${match.allowed.join(', ')}`;
    throw new HubError('NotFound', problem);
  }

  async function answer(request: IncomingMessage, url: URL): Promise<Reply | undefined> {
    const { route, params, plainPath } = routeOf(request.method ?? '', url.pathname);
    const info = connections.get(request.socket);
    const call: Call = {
      method: route.method,
      params,
      query: url.searchParams,
      headers: request.headers,
      rawHeaders: request.rawHeaders,
      body: Buffer.alloc(0),
      remote: info?.remote ?? '',
      clientCertificate: info?.clientCertificate,
    };
    if (route.versioned !== false) checkApiVersion(url.searchParams.get('api-version'));
    const device = authorize(route.access, call, options, plainPath);
    if (route.throttle !== undefined) await engine.throttles.take(route.throttle, 1, params.deviceId);
    const hasBody = route.method !== 'GET' && route.method !== 'DELETE';
    const body = hasBody ? await readBody(request, route.maxBodyBytes ?? defaultBodyBytes) : call.body;
    const handle = () => route.handle({ ...call, body, ...(device && { device }) }, options);
    return device === undefined ? handle() : withFaults(device.deviceId, route, handle);
  }

  /** Injects what was asked to go wrong between the hub and a device; undefined when the answer shall be lost. */
  async function withFaults(
    deviceId: string,
    route: Route,
    handle: () => Reply | Promise<Reply>,
  ): Promise<Reply | undefined> {
    const delay = engine.faults.take('delay', deviceId, 'http');
    if (delay) await new Promise<void>((resolve) => clock.setTimeout(resolve, delay.delayMs ?? 0));
    const reply = await handle();
    const lost = route.method !== 'GET' && engine.faults.take('drop-acknowledgement', deviceId, 'http');
    return lost ? undefined : reply;
  }

  function replyTo(error: unknown, request: IncomingMessage, path: string): Reply {
    const nowMs = clock.now();
    const what = `HTTPS request refused: ${request.method} ${path}`;
    if (isExpected(error)) {
      const reply = errorReply(error, nowMs);
      if (loggedStatuses.has(reply.status)) log.warn({ what, reason: error.message });
      return reply;
    }
    const trackingId = randomUUID();
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    log.warn({
      what: `HTTPS request failed: ${request.method} ${path}`,
      reason,
      next: `Tracking id ${trackingId}`,
    });
    return internalErrorReply(trackingId, nowMs);
  }

  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // The request line may hold anything; only its path and query count.
    const target = request.url ?? '/';
    const url = URL.parse(target.startsWith('/') ? `http://hub${target}` : 'http://hub/');
    const path = url?.pathname ?? target.slice(0, 200);
    let reply: Reply | undefined;
    try {
      if (url === null) throw new HubError('ArgumentInvalid', 'The request has no valid path');
      reply = await answer(request, url);
    } catch (error) {
      // Whoever has gone needs no answer.
      if (request.destroyed && !request.complete) return;
      reply = replyTo(error, request, path);
    }
    if (reply === undefined) {
      request.socket.destroy();
      return;
    }
    try {
      sendReply(request, response, reply, randomUUID());
    } catch (error) {
      log.warn({ what: `HTTPS reply not sent: ${request.method} ${path}`, reason: String(error) });
      request.socket.destroy();
    }
  }

  return {
    accept(socket, info) {
      connections.set(socket, info);
      socket.once('close', () => connections.delete(socket));
      server.emit('connection', socket);
    },
    async close() {
      // It does not listen, so there is nothing to wait for; but its timer stops.
      server.close(() => undefined);
      server.closeIdleConnections();
      const handled = Promise.allSettled(inHand);
      const { promise: lingered, resolve } = Promise.withResolvers<void>();
      const timer = clock.setTimeout(resolve, lingerMs);
      await Promise.race([handled, lingered]);
      clock.clearTimeout(timer);
      for (const stream of connections.keys()) stream.destroy();
    },
    get connectionCount() {
      return connections.size;
    },
  };
}
