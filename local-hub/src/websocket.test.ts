import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { WebSocket } from 'ws';
import { type Finding, silentLog } from './diagnostics.ts';
import { createWebSockets } from './websocket.ts';

/** A plain HTTP server whose upgrades become streams. */
async function serving(t: TestContext) {
  const findings: Finding[] = [];
  const log = { ...silentLog, warn: (finding: Finding) => void findings.push(finding) };
  const webSockets = createWebSockets(log);
  const accepted = Promise.withResolvers<{ protocol: string; stream: Duplex }>();
  const server = createServer();
  server.on('upgrade', (request, stream, head) => {
    void webSockets.upgrade(request, stream, head, (protocol, bytes) =>
      accepted.resolve({ protocol, stream: bytes }),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const dial = (path: string, protocol: string[]) => {
    const client = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocol);
    t.after(() => client.terminate());
    return client;
  };
  return { dial, accepted: accepted.promise, findings };
}

test('MQTT and AMQP come as streams of bytes, whatever the case of the sub-protocol', async (t) => {
  for (const [path, offered, protocol] of [
    ['/$iothub/websocket', 'mqtt', 'mqtt'],
    ['/$iothub/websocket?iothub-no-client-cert=true', 'AMQPWSB10', 'amqp'],
    ['/$servicebus/websocket', 'amqpwsb10', 'amqp'],
  ] as const) {
    const { dial, accepted } = await serving(t);
    const client = dial(path, ['other', offered]);
    await once(client, 'open');
    assert.equal(client.protocol, offered);
    const { protocol: got, stream } = await accepted;
    assert.equal(got, protocol);
    client.send(Buffer.from([1, 2]));
    client.send(Buffer.from([3]));
    let received = Buffer.alloc(0);
    stream.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
    });
    while (received.length < 3) await once(stream, 'data');
    assert.deepEqual(received, Buffer.from([1, 2, 3]));
    stream.write(Buffer.from([9]));
    const [data, isBinary] = await once(client, 'message');
    assert.deepEqual([data, isBinary], [Buffer.from([9]), true]);
  }
});

test('another path or sub-protocol is refused with an explanation', async (t) => {
  const { dial, findings } = await serving(t);
  const statusOf = async (path: string, protocol: string[]) => {
    const [error] = await once(dial(path, protocol), 'error');
    return (error as Error).message;
  };
  assert.match(await statusOf('/', ['mqtt']), /404/);
  assert.match(await statusOf('/$iothub/websocket', ['soap']), /400/);
  assert.match(await statusOf('/$iothub/websocket', []), /400/);
  assert.equal(findings.length, 3);
  assert.match(findings[1]?.reason ?? '', /sub-protocol is "soap"/);
});

test('text frames and oversize messages end the connection, and cutting the stream ends the client', async (t) => {
  const text = await serving(t);
  const textClient = text.dial('/$iothub/websocket', ['mqtt']);
  await once(textClient, 'open');
  (await text.accepted).stream.resume();
  textClient.send('not binary');
  assert.equal((await once(textClient, 'close'))[0], 1003);

  const large = await serving(t);
  const largeClient = large.dial('/$iothub/websocket', ['mqtt']);
  await once(largeClient, 'open');
  (await large.accepted).stream.resume();
  largeClient.send(Buffer.alloc(1_048_577));
  assert.equal((await once(largeClient, 'close'))[0], 1009);

  const cut = await serving(t);
  const cutClient = cut.dial('/$iothub/websocket', ['mqtt']);
  await once(cutClient, 'open');
  (await cut.accepted).stream.destroy();
  await once(cutClient, 'close');
});
