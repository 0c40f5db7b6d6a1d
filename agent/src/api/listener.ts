/**
 * HTTP/1.1 and HTTP/2 on one listener without TLS: the first bytes tell which it is (RFC 9113 section 3.4, prior
 * knowledge). gRPC needs HTTP/2; browsers without TLS speak only HTTP/1.1.
 */
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';

export type Handler = (
  request: http.IncomingMessage | http2.Http2ServerRequest,
  response: http.ServerResponse | http2.Http2ServerResponse,
) => void;

export type Listener = {
  readonly server: net.Server;
  /** Accepts no more connections, and waits for the requests under way; what is open after `graceMs` is cut. */
  close(graceMs: number): Promise<void>;
};

const authority = 'agent';

/** What every HTTP/2 connection begins with. */
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
/** Enough to tell the two apart: no HTTP/1.1 method begins like that. */
const tellingBytes = 3;

/** A host application has a few connections; a hundred are a mistake or an attack. */
const maxConnections = 256;
const maxStreamsPerConnection = 64;
/** How long a connection may take to say something, a request's header to arrive, and its body. */
const firstBytesMs = 10_000;
const headersMs = 10_000;
const requestMs = 60_000;

export function createListener(handler: Handler): Listener {
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
    // Whom the caller means is clear, and clients write anything: gRPC over a Unix socket names its escaped path, which
    // is no host, and Connect's adapter throws where it reads one.
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

  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    // The servers below report what concerns a request; before the first one there is nobody to tell.
    socket.on('error', () => undefined);
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
  });
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
