/** Serves HostService on a Unix socket or a named pipe, over TLS, to whoever has the one certificate that was pinned. */

import { X509Certificate } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { HostService } from '@iotdh/proto/host/v1';
import { createLimits } from '@iotdh/proto/limits';
import { listenOnSocket } from '../api/unix-socket.ts';
import { createCallNotes } from './call-notes.ts';
import { createService, type ServiceOptions } from './service.ts';

export type ServerOptions = Omit<ServiceOptions, 'stopping'> & {
  socket: { path: string; mode: 0o600 | 0o660 };
  /** PEM. `agentCert` is the only one that is let in. */
  tls: { cert: string; key: string; agentCert: string };
};

export type HostServer = { start(): Promise<void>; stop(): Promise<void> };

/** 10,000 packages with long names fit. */
const maxRequestBytes = 4 * 1024 * 1024;
const stopGraceMs = 4000;
/** One agent has a few connections. */
const maxConnections = 256;
/** How long a handshake may take, a request's header to arrive, and its body. */
const patience = { handshakeTimeout: 10_000, headersTimeout: 10_000, requestTimeout: 60_000 };

export function createHostServer(options: ServerOptions): HostServer {
  const { socket, tls, ...rest } = options;
  const stopping = new AbortController();
  const service = createService({ ...rest, stopping: stopping.signal });
  const notes = createCallNotes(rest);
  const { interceptors, ...limits } = createLimits({ readMaxBytes: maxRequestBytes });
  const handler = connectNodeAdapter({
    routes: (router) => router.service(HostService, service),
    ...limits,
    // The first is the outermost, and sees what the limits refuse.
    interceptors: [notes.interceptor, ...interceptors],
    contextValues: notes.contextValues,
    shutdownSignal: stopping.signal,
  });
  const pinned = new X509Certificate(tls.agentCert).fingerprint256;
  const secured = {
    ...{ cert: tls.cert, key: tls.key, ca: tls.agentCert, minVersion: 'TLSv1.3' as const },
    ...{ requestCert: true, rejectUnauthorized: true },
    ...patience,
  };
  const server = createServer(secured, (request, response: ServerResponse) => {
    const { fingerprint256 } = (request.socket as TLSSocket).getPeerCertificate();
    const isAgent = fingerprint256 === pinned;
    if (!notes.begin(request, response, isAgent ? 'agent' : `${fingerprint256}`)) return;
    if (isAgent) handler(request, response);
    else response.writeHead(403).end();
  });
  server.on('tlsClientError', notes.refused);
  server.maxConnections = maxConnections;
  // Whoever connects and says nothing has no connection of HTTP yet, which is all that the server would close.
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  return {
    start: () => listenOnSocket(server, socket.path, socket.mode),
    async stop() {
      stopping.abort();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      const timer = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, stopGraceMs);
      server.closeIdleConnections();
      await closed;
      clearTimeout(timer);
    },
  };
}
