/** A server of Connect services: Connect, gRPC and gRPC-Web over HTTP/1.1 and HTTP/2, with the limits of the contract. */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ConnectRouter, ContextValues, HandlerContext, Interceptor } from '@connectrpc/connect';
import { Code, ConnectError, createContextValues } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { createLimits } from '@iotdh/proto/limits';
import { corsHeaders } from './cors.ts';
import { createListener, type Handler, type Listener, type Request, type TlsOptions } from './listener.ts';

export type RpcServerOptions = {
  routes(router: ConnectRouter): void;
  /** Outermost first; those that hold the contract's limits come after them. */
  interceptors: readonly Interceptor[];
  /** Throws what the caller gets, before anything of the request is read. */
  gate(context: HandlerContext): void;
  /** What the handlers know of the connection. Default: nothing. */
  contextValues?(request: Request): ContextValues;
  /** The address to bind. Default 127.0.0.1. */
  host?: string;
  /** 0: any free one. */
  port: number;
  tls?: TlsOptions;
  /** Pages that may call from a browser, such as `https://dashboard.example`. Default: none. */
  allowedOrigins?: readonly string[];
  /** The most bytes of one request. Default: a manifest and 64 KiB. */
  readMaxBytes?: number;
  /** How long requests may take to end after `stop`, ms. Default 10 s. */
  graceMs?: number;
};

export type RpcServer = {
  start(): Promise<void>;
  /** Ends streams with UNAVAILABLE, waits for the other requests, and cuts what lasts longer than the grace. */
  stop(): Promise<void>;
  /** Aborts when it begins to stop. */
  readonly stopping: AbortSignal;
  /** The port that it listens on; throws before it does. */
  readonly port: number;
  /** `https://localhost:PORT`, or `http://` without TLS. */
  readonly url: string;
};

/** What a caller gets while the process ends: another replica, or the next life of this one, answers. */
export const stoppingError = (): ConnectError =>
  new ConnectError('this server is stopping; retry, and another one answers', Code.Unavailable);

export function createRpcServer(options: RpcServerOptions): RpcServer {
  const { host = '127.0.0.1', allowedOrigins = [], graceMs = 10_000, readMaxBytes, tls } = options;
  const stopping = new AbortController();
  const limits = createLimits(readMaxBytes === undefined ? {} : { readMaxBytes });

  const serve: Handler = connectNodeAdapter({
    routes: options.routes,
    readMaxBytes: limits.readMaxBytes,
    interceptors: [...options.interceptors, ...limits.interceptors],
    shutdownSignal: stopping.signal,
    contextValues: options.contextValues ?? createContextValues,
    requestGate(context) {
      options.gate(context);
      if (stopping.signal.aborted) throw stoppingError();
    },
  });

  const handler: Handler = (request, response) => {
    // The responses of both versions have these methods, with signatures that TypeScript does not unite.
    const answer = response as ServerResponse;
    for (const [name, value] of Object.entries(corsHeaders(request.headers, allowedOrigins))) {
      answer.setHeader(name, value);
    }
    if (request.method === 'OPTIONS') answer.writeHead(204).end();
    else serve(request, response);
  };

  const listener: Listener = createListener({ handler, ...(tls && { tls }) });

  const portOf = (): number => {
    const address = listener.server.address() as AddressInfo | null;
    if (address === null) throw new Error('the server does not listen yet');
    return address.port;
  };

  return {
    async start() {
      listener.server.listen({ host, port: options.port });
      await once(listener.server, 'listening');
    },
    async stop() {
      if (stopping.signal.aborted) return;
      stopping.abort(stoppingError());
      if (listener.server.listening) await listener.close(graceMs);
    },
    stopping: stopping.signal,
    get port() {
      return portOf();
    },
    get url() {
      return `${tls === undefined ? 'http' : 'https'}://localhost:${portOf()}`;
    },
  };
}
