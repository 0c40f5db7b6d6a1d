/**
 * The ports of the hub: TLS ports on which MQTT, AMQP, HTTPS and WebSocket share one number, and a plain AMQP port for
 * Event Hubs clients in development mode. Hands every connection to its front-end by its first byte.
 */
import { constants } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import type { Log } from './diagnostics.ts';
import { awaitFirstByte, type Protocol } from './first-byte.ts';
import { explainHandshakeFailure, leftInHandshake } from './handshake-failure.ts';

/** Takes over a connection whose first byte is still unread; `tls` is undefined on the plain port. */
export type Accept = (socket: Socket, tls: TLSSocket | undefined) => void;

export type ListenerOptions = {
  certPem: string;
  keyPem: string;
  /** TLS ports, at least one; 0 lets the system choose. */
  ports: readonly number[];
  /** The plain AMQP port; 0 lets the system choose, undefined opens none. */
  amqpPort: number | undefined;
  /** The address that the TLS ports bind to; `localhost` means 127.0.0.1 and, where there is one, ::1. */
  address: string;
  /** At most this many connections on each port and address; more are dropped. */
  maxConnections: number;
  /** How long a new connection may take for its handshake, and then for its first byte. */
  firstByteMs: number;
  accept: Record<Protocol, Accept>;
  log: Log;
};

export type Listener = {
  /** The TLS ports actually bound, in the order of the options. */
  ports: readonly number[];
  amqpPort: number | undefined;
  /** Stops accepting and frees the ports at once; connections go on. */
  closePorts(): void;
  /** Cuts every connection at once, without a goodbye. */
  cut(): void;
};

/** The system chose a port that is free on 127.0.0.1 but not on ::1: it may choose again, this often. */
const maxPortAttempts = 20;

function ignoreError(): void {
  // The 'close' that follows every 'error' does what is needed.
}

/** Binds the ports. Throws the system's error (EADDRINUSE, EACCES, …) with `port` and `address` after closing what was open. */
export async function openListener(options: ListenerOptions): Promise<Listener> {
  const { accept, address, firstByteMs, log, maxConnections } = options;
  const sockets = new Set<Socket>();
  const servers: Server[] = [];

  function forget(this: Socket): void {
    sockets.delete(this);
  }
  function track(socket: Socket): void {
    sockets.add(socket);
    socket.on('error', ignoreError);
    socket.once('close', forget);
  }
  function route(socket: Socket, tls: TLSSocket | undefined): void {
    socket.on('error', ignoreError);
    awaitFirstByte(socket, firstByteMs, (outcome) => {
      if (outcome === 'gone') {
        if (tls) log.warn(leftInHandshake);
        return;
      }
      if (outcome === 'silent') {
        socket.destroy();
        return;
      }
      if (outcome !== 'unknown' && (tls !== undefined || outcome === 'amqp')) {
        accept[outcome](socket, tls);
        return;
      }
      log.warn({
        what: 'Connection closed',
        reason: `a client on port ${socket.localPort} spoke ${tls ? 'neither MQTT, AMQP nor HTTP' : 'something other than AMQP'}`,
        next: tls ? 'Check its protocol' : 'This port is for Event Hubs clients; use the TLS port',
      });
      socket.destroy();
    });
  }

  const secure = {
    cert: options.certPem,
    key: options.keyPem,
    minVersion: 'TLSv1.2',
    // Device certificates are judged by the engine, which knows each device's thumbprint and authority.
    requestCert: true,
    rejectUnauthorized: false,
    // Asks for a certificate of any authority; and without this Node would load its own list of public ones.
    ca: [] as string[],
    // A resumed session would lack the intermediate certificates that the client sent at first.
    secureOptions: constants.SSL_OP_NO_TICKET,
    handshakeTimeout: firstByteMs,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: 60_000,
  } as const;

  function createSecureServer(): Server {
    const server = createTlsServer(secure, (socket) => route(socket, socket));
    return server.on('tlsClientError', (error, socket) => {
      // After a handshake that took too long Node leaves the connection open.
      socket.destroy();
      const finding = explainHandshakeFailure(error);
      if (finding) log.warn(finding);
    });
  }

  async function bind(server: Server, port: number, host: string): Promise<number> {
    server.maxConnections = maxConnections;
    server.on('connection', track);
    server.on('drop', () =>
      log.warn({
        what: 'Connection dropped',
        reason: `${maxConnections} connections are open on port ${port}`,
        next: 'Close some, or raise maxConnections',
      }),
    );
    servers.push(server);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ port, host }, () => {
        server.off('error', reject);
        resolve();
      });
    });
    const bound = server.address();
    return bound !== null && typeof bound === 'object' ? bound.port : port;
  }

  /** Binds ::1 beside 127.0.0.1, since `localhost` means either to different clients. */
  async function bindLoopbacks(create: () => Server, port: number): Promise<number> {
    for (let attempt = 1; ; attempt += 1) {
      const first = create();
      const bound = await bind(first, port, '127.0.0.1');
      const second = create();
      try {
        await bind(second, bound, '::1');
        return bound;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        servers.splice(servers.indexOf(second), 1);
        if (code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT') return bound;
        if (port !== 0 || code !== 'EADDRINUSE' || attempt === maxPortAttempts) throw error;
        servers.splice(servers.indexOf(first), 1);
        first.close();
      }
    }
  }

  const open = (create: () => Server, port: number, host: string) =>
    host === 'localhost' ? bindLoopbacks(create, port) : bind(create(), port, host);

  function cut(): void {
    // A reset would leave a socket open that is about to end by itself.
    for (const socket of sockets) socket.destroy();
  }
  function closePorts(): void {
    for (const server of servers.splice(0)) server.close();
  }

  try {
    const ports: number[] = [];
    for (const port of options.ports) ports.push(await open(createSecureServer, port, address));
    const createPlainServer = () => createServer({ noDelay: true }, (socket) => route(socket, undefined));
    const amqpPort =
      options.amqpPort === undefined
        ? undefined
        : await open(createPlainServer, options.amqpPort, 'localhost');
    return { ports, amqpPort, closePorts, cut };
  } catch (error) {
    closePorts();
    throw error;
  }
}
