import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer, get as httpGet } from 'node:http';
import { get as httpsGet } from 'node:https';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';
import { openCertificates } from './certificates.ts';
import { type Finding, silentLog } from './diagnostics.ts';
import { type Listener, type ListenerOptions, openListener } from './listener.ts';

const certificates = await openCertificates({
  directory: undefined,
  hostNames: [],
  log: silentLog,
  now: Date.now,
});

type Accepted = { protocol: string; socket: Socket; tls: TLSSocket | undefined };

/** A listener whose connections wait in a queue to be looked at, and whose warnings are kept. */
async function listening(t: TestContext, options: Partial<ListenerOptions> = {}) {
  const accepted: Accepted[] = [];
  const findings: Finding[] = [];
  const waiting: ((value: Accepted) => void)[] = [];
  const warned: (() => void)[] = [];
  const accept = (protocol: string) => (socket: Socket, tls: TLSSocket | undefined) => {
    const waiter = waiting.shift();
    if (waiter) waiter({ protocol, socket, tls });
    else accepted.push({ protocol, socket, tls });
  };
  const listener = await openListener({
    certPem: certificates.server.certPem,
    keyPem: certificates.server.keyPem,
    ports: [0],
    amqpPort: 0,
    address: 'localhost',
    maxConnections: 100,
    firstByteMs: 5_000,
    accept: { mqtt: accept('mqtt'), amqp: accept('amqp'), http: accept('http') },
    log: {
      ...silentLog,
      warn: (finding) => {
        findings.push(finding);
        for (const wake of warned.splice(0)) wake();
      },
    },
    ...options,
  });
  t.after(() => {
    listener.closePorts();
    listener.cut();
  });
  return {
    listener,
    next: () =>
      new Promise<Accepted>((resolve) => {
        const first = accepted.shift();
        if (first) resolve(first);
        else waiting.push(resolve);
      }),
    finding: async () => {
      if (findings.length === 0) await new Promise<void>((resolve) => warned.push(resolve));
      return findings.shift();
    },
  };
}

/** Resolves when the connection is over, also after a reset. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

async function dial(
  t: TestContext,
  listener: Listener,
  options: { host?: string; cert?: string; key?: string } = {},
): Promise<TLSSocket> {
  const socket = tlsConnect({
    host: '127.0.0.1',
    port: listener.ports[0] ?? 0,
    ca: certificates.caPem,
    ...options,
  });
  t.after(() => socket.destroy());
  socket.on('error', () => {});
  socket.resume();
  await once(socket, 'secureConnect');
  return socket;
}

test('the first byte decides the front-end, which then reads every byte', async (t) => {
  const { listener, next } = await listening(t);
  const cases = [
    ['mqtt', Buffer.from([0x10, 0x0c, 0x00, 0x04])],
    ['amqp', Buffer.from('AMQP\x03\x01\x00\x00')],
    ['http', Buffer.from('PUT / HTTP/1.1\r\n\r\n')],
  ] as const;
  for (const [protocol, bytes] of cases) {
    const client = await dial(t, listener);
    client.write(bytes);
    const connection = await next();
    assert.equal(connection.protocol, protocol);
    const [chunk] = await once(connection.socket, 'data');
    assert.deepEqual(chunk, bytes);
    client.write('more');
    assert.equal(String((await once(connection.socket, 'data'))[0]), 'more');
  }
});

test('both loopback addresses share the port number', async (t) => {
  const { listener, next } = await listening(t);
  for (const host of ['127.0.0.1', '::1']) {
    const client = await dial(t, listener, { host });
    client.write('AMQP');
    assert.equal((await next()).protocol, 'amqp', host);
  }
});

test('a client certificate that nobody signed still connects and can be read', async (t) => {
  const { listener, next } = await listening(t);
  const root = await certificates.issueAuthority('unknown');
  const { certPem, keyPem } = await certificates.issueClient('d1', { issuer: root });
  const client = await dial(t, listener, { cert: certPem, key: keyPem });
  client.write(Buffer.from([0x10]));
  assert.equal((await next()).tls?.getPeerCertificate().subject.CN, 'd1');
});

test('a byte that begins no protocol closes the connection with an explanation', async (t) => {
  const { listener, finding } = await listening(t);
  const client = await dial(t, listener);
  client.write(Buffer.from([0x16, 0x03, 0x01]));
  await closed(client);
  assert.match((await finding())?.reason ?? '', /neither MQTT, AMQP nor HTTP/);
});

test('a client that stays silent after the handshake, or during it, is dropped at the deadline', async (t) => {
  const { listener } = await listening(t, { firstByteMs: 20 });
  await closed(await dial(t, listener));
  const half = connect(listener.ports[0] ?? 0, '127.0.0.1').resume();
  await closed(half);
});

test('the plain port takes AMQP and refuses everything else', async (t) => {
  const { listener, next, finding } = await listening(t);
  const amqp = connect(listener.amqpPort ?? 0, '127.0.0.1').on('error', () => {});
  t.after(() => amqp.destroy());
  amqp.write('AMQP\x00\x01\x00\x00');
  const connection = await next();
  assert.deepEqual([connection.protocol, connection.tls], ['amqp', undefined]);
  const request = httpGet(`http://127.0.0.1:${listener.amqpPort}/`);
  await once(request, 'error');
  assert.match((await finding())?.next ?? '', /TLS port/);
});

test('an HTTP server reads the request from a connection handed over', async (t) => {
  const http = createHttpServer((request, response) => response.end(request.url));
  const { listener } = await listening(t, {
    accept: {
      mqtt: (socket) => socket.destroy(),
      amqp: (socket) => socket.destroy(),
      http: (socket) => http.emit('connection', socket),
    },
  });
  const request = httpsGet({
    host: 'localhost',
    port: listener.ports[0],
    path: '/hello',
    ca: certificates.caPem,
    agent: false,
  });
  const [response] = await once(request, 'response');
  assert.equal(String(await response.toArray()), '/hello');
});

test('a client that does not trust the authority, or speaks no TLS, is explained in the log', async (t) => {
  const { listener, finding } = await listening(t);
  const distrusting = tlsConnect({ host: '127.0.0.1', port: listener.ports[0] ?? 0 });
  await once(distrusting, 'error');
  assert.match((await finding())?.next ?? '', /NODE_EXTRA_CA_CERTS/);
  await once(httpGet(`http://127.0.0.1:${listener.ports[0]}/`), 'error');
  assert.equal((await finding())?.next, 'Use https');
  const mqtt = connect(listener.ports[0] ?? 0, '127.0.0.1').on('error', () => {});
  mqtt.end(Buffer.from([0x10, 0x0c, 0x00, 0x04, 0x4d, 0x51, 0x54, 0x54]));
  assert.match((await finding())?.reason ?? '', /other than TLS/);
});

test('connections beyond the maximum are dropped and the log says so', async (t) => {
  const { listener, finding } = await listening(t, { maxConnections: 1 });
  await dial(t, listener);
  const second = connect(listener.ports[0] ?? 0, '127.0.0.1')
    .on('error', () => {})
    .resume();
  await closed(second);
  assert.match((await finding())?.reason ?? '', /^1 connections are open/);
});

test('several ports serve alike, and a port in use is an error that leaves nothing open', async (t) => {
  const { listener, next } = await listening(t, { ports: [0, 0] });
  const [first = 0, second = 0] = listener.ports;
  assert.notEqual(first, second);
  const client = tlsConnect({ host: '127.0.0.1', port: second, ca: certificates.caPem }).on(
    'error',
    () => {},
  );
  t.after(() => client.destroy());
  client.write('AMQP');
  assert.equal((await next()).protocol, 'amqp');
  const holder = await listening(t);
  const taken = holder.listener.ports[0] ?? 0;
  await assert.rejects(listening(t, { ports: [taken] }), { code: 'EADDRINUSE', port: taken });
});

test('closing frees the ports at once, and cutting ends every connection, even in the handshake', async (t) => {
  const { listener, next } = await listening(t);
  const client = await dial(t, listener);
  client.write('AMQP');
  await next();
  const half = connect(listener.ports[0] ?? 0, '127.0.0.1')
    .on('error', () => {})
    .resume();
  await once(half, 'connect');
  const idle = await dial(t, listener);
  listener.closePorts();
  const again = await listening(t, { ports: listener.ports });
  assert.deepEqual(again.listener.ports, listener.ports);
  listener.cut();
  await Promise.all([closed(client), closed(half), closed(idle)]);
});
