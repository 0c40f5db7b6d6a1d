import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { type TestContext, test } from 'node:test';
import { onFreePort } from './free-port.ts';

async function listen(t: TestContext, port: number): Promise<Server> {
  const server = createServer().listen(port, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  return server;
}

test('a port that somebody has taken meanwhile is replaced, and nothing else is tried twice', async (t) => {
  const ports: number[] = [];
  await onFreePort(async (port) => {
    ports.push(port);
    if (ports.length === 1) await listen(t, port);
    return listen(t, port);
  });
  assert.equal(ports.length, 2);
  assert.notEqual(ports[0], ports[1]);

  let starts = 0;
  const broken = onFreePort(async () => {
    starts += 1;
    throw new Error('the data are damaged');
  });
  await assert.rejects(broken, /damaged/);
  assert.equal(starts, 1);
});
