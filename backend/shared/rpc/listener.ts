/**
 * HTTP/1.1 and HTTP/2 on one port. With TLS the client says by ALPN which it speaks (RFC 7301); without, its first bytes tell
 * (RFC 9113 section 3.4, prior knowledge). gRPC needs HTTP/2; browsers without TLS speak only HTTP/1.1.
 */
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import tls from 'node:tls';

export type Request = http.IncomingMessage | http2.Http2ServerRequest;
export type Response = http.ServerResponse | http2.Http2ServerResponse;
export type Handler = (request: Request, response: Response) => void;

export type TlsOptions = {
  /** The server's certificate with its intermediates, and its key, PEM. */
  certPem: string;
  keyPem: string;
  /** Clients may show a certificate of this authority. Whether they must is the handler's business. */
  clientCaPem?: string;
};

export type ListenerOptions = {
  handler: Handler;
  /** Without it the listener is plain, for loopback alone. */
  tls?: TlsOptions;
  /** Default 4,096. */
  maxConnections?: number;
};

export type Listener = {
  readonly server: net.Server;
  /** Accepts no more connections, and waits for the requests under way; what is open after `graceMs` is cut. */
  close(graceMs: number): Promise<void>;
};

/** What every HTTP/2 connection begins with. */
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
/** Enough to tell the two apart: no HTTP/1.1 method begins like that. */
const tellingBytes = 3;

/** Stands in for whatever a client names: Connect's adapter throws where it reads a host that is none. */
const authority = 'backend';

const maxStreamsPerConnection = 128;
/** How long a connection may take to say something, a request's header to arrive, and its body. */
const firstBytesMs = 10_000;
const headersMs = 10_000;
const requestMs = 120_000;

export function createListener(options: ListenerOptions): Listener {
  const { handler, maxConnections = 4096 } = options;
  const sockets = new Set<net.Socket>();
  const sessions = new Set<http2.ServerHttp2Session>();
  let busy = 0;
  let onIdle = () => {};

  const counted: Handler = (request, response) => {
    busy += 1;
    response.once('close', () => {
      busy -= 1;
      if (busy === 0) onIdle();
    });
    if (request.httpVersionMajor === 2) request.headers[':authority'] = authority;
    else request.headers.host = authority;
    handler(request, response);
  };
  const one = http.createServer({ headersTimeout: headersMs, requestTimeout: requestMs }, counted);
  // It never listens itself, but begins to look for requests that take too long when it is told so.
  one.emit('listening');
  const two = http2.createServer({ settings: { maxConcurrentStreams: maxStreamsPerConnection } }, counted);
  two.on('session', (session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
    // A broken connection ends its streams, and these tell their handlers.
    session.on('error', () => undefined);
  });

  function track(socket: net.Socket): void {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    // The servers above report what concerns a request; before the first one there is nobody to tell.
    socket.on('error', () => undefined);
  }

  function onPlain(socket: net.Socket): void {
    track(socket);
    const impatience = setTimeout(() => socket.destroy(), firstBytesMs);
    socket.once('close', () => clearTimeout(impatience));
    const begin = () => {
      const head: Buffer | null = socket.read();
      if (head === null) return;
      socket.unshift(head);
      const telling = head.subarray(0, tellingBytes);
      const isTwo = preface.subarray(0, telling.length).equals(telling);
      if (isTwo && telling.length < tellingBytes) return;
      clearTimeout(impatience);
      socket.off('readable', begin);
      (isTwo ? two : one).emit('connection', socket);
    };
    socket.on('readable', begin);
  }

  function onTls(socket: tls.TLSSocket): void {
    track(socket);
    (socket.alpnProtocol === 'h2' ? two : one).emit('connection', socket);
  }

  const server =
    options.tls === undefined ? net.createServer(onPlain) : createTlsServer(options.tls, onTls, track);
  server.maxConnections = maxConnections;

  async function close(graceMs: number): Promise<void> {
    const closed = new Promise((resolve) => server.close(resolve));
    const idle = new Promise<void>((resolve) => {
      onIdle = resolve;
      if (busy === 0) resolve();
    });
    let timer: NodeJS.Timeout | undefined;
    const overdue = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, graceMs);
    });
    await Promise.race([idle, overdue]);
    one.close();
    for (const session of sessions) session.close();
    for (const socket of sockets) socket.destroySoon();
    await Promise.race([closed, overdue]);
    clearTimeout(timer);
    for (const socket of sockets) socket.destroy();
    await closed;
  }

  return { server, close };
}

function createTlsServer(
  { certPem, keyPem, clientCaPem }: TlsOptions,
  onSecure: (socket: tls.TLSSocket) => void,
  track: (socket: net.Socket) => void,
): tls.Server {
  const server = tls.createServer({
    cert: certPem,
    key: keyPem,
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['h2', 'http/1.1'],
    handshakeTimeout: firstBytesMs,
    // One who has no certificate yet enrols; who needs one is refused by the handler, with a typed error.
    ...(clientCaPem !== undefined && { ca: clientCaPem, requestCert: true, rejectUnauthorized: false }),
  });
  server.on('secureConnection', onSecure);
  // Those that never finish their handshake have to end with the server too.
  server.on('connection', track);
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  return server;
}
