import assert from 'node:assert/strict';
import { once } from 'node:events';
import { renameSync, statSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { test } from 'node:test';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { AgentService, State } from '@iotdh/proto/agent/v1';
import { clientOf, everyTransport, loopbackClientOf } from './testing/clients.ts';
import { rigFor } from './testing/rig.ts';
import { listenOnSocket } from './unix-socket.ts';

test('every protocol, HTTP version and carrier gets the same state, errors and streams', async (t) => {
  const rig = await rigFor(t);
  for (const [name, transport] of Object.entries(everyTransport(rig))) {
    const client = createClient(AgentService, transport);
    const { snapshot } = await client.getState({});
    assert.equal(snapshot?.state, State.BUSY, name);
    await assert.rejects(client.setReady({ leaseId: 'no uuid' }), { code: Code.InvalidArgument }, name);
    const over = new AbortController();
    for await (const { kind } of client.watchState({}, { signal: over.signal })) {
      assert.equal(kind.case, 'heartbeat', name);
      break;
    }
    over.abort();
  }
});

test('loopback wants the token of the installation, the socket does not', async (t) => {
  const rig = await rigFor(t);
  for (const wrong of [null, '', 'b'.repeat(43)]) {
    const client = loopbackClientOf(rig, wrong);
    await assert.rejects(client.getState({}), { code: Code.Unauthenticated });
    await assert.rejects(client.watchState({})[Symbol.asyncIterator]().next(), {
      code: Code.Unauthenticated,
    });
  }
  await loopbackClientOf(rig).getState({});
  await clientOf(rig).getState({});
});

test('only pages of named origins may read answers in a browser', async (t) => {
  const rig = await rigFor(t);
  const url = `${rig.url}/iotdh.agent.v1.AgentService/GetState`;
  const preflight = (origin: string) => fetch(url, { method: 'OPTIONS', headers: { origin } });
  const named = await preflight('http://localhost:5173');
  assert.equal(named.headers.get('access-control-allow-origin'), 'http://localhost:5173');
  assert.match(named.headers.get('access-control-allow-headers') ?? '', /authorization/);
  const other = await preflight('http://evil.example');
  assert.equal(other.headers.get('access-control-allow-origin'), null);
});

test('the socket is the agent user’s alone and removed at the end', async (t) => {
  const rig = await rigFor(t);
  assert.equal(statSync(rig.socketPath).mode & 0o777, 0o600);
  await rig.stop();
  assert.equal(statSync(rig.socketPath, { throwIfNoEntry: false }), undefined);
});

test('a request that is larger than any real one is refused unread', async (t) => {
  const rig = await rigFor(t);
  const answer = await new Promise<http.IncomingMessage>((resolve, reject) => {
    const request = http.request({
      socketPath: rig.socketPath,
      method: 'POST',
      path: '/iotdh.agent.v1.AgentService/SubmitLog',
      headers: { 'content-type': 'application/proto', 'content-length': 5 * 1024 * 1024 },
    });
    request.once('response', resolve);
    request.once('error', reject);
    request.flushHeaders();
  });
  assert.equal(answer.statusCode, 429);
  answer.destroy();
});

test('what is neither HTTP/1.1 nor HTTP/2 is cut off, and the server goes on', async (t) => {
  const rig = await rigFor(t);
  const socket = net.connect({ path: rig.socketPath });
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.on('error', () => undefined);
  socket.resume();
  socket.write('\u0000\u0001garbage\r\n\r\n');
  await closed;
  await clientOf(rig).getState({});
});

test('whatever host a client names, also one that is none, it is the agent that answers', async (t) => {
  const rig = await rigFor(t);
  const path = '/iotdh.agent.v1.AgentService/GetState';
  for (const host of ['tmp%2Fagent.sock', '%zz']) {
    const session = http2.connect('http://agent', {
      createConnection: () => net.connect({ path: rig.socketPath }),
    });
    const stream = session.request({
      ...{ ':method': 'POST', ':path': path, ':authority': host },
      'content-type': 'application/json',
    });
    stream.end('{}');
    const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
    assert.equal(headers[':status'], 200, host);
    stream.resume();
    session.destroy();

    const request = http.request({
      ...{ socketPath: rig.socketPath, path, method: 'POST', agent: false },
      headers: { host, 'content-type': 'application/json' },
    });
    request.end('{}');
    const [answer] = (await once(request, 'response')) as [http.IncomingMessage];
    assert.equal(answer.statusCode, 200, host);
    answer.resume();
  }
});

test('stopping ends streams and polls with UNAVAILABLE, and takes less than 5 s', async (t) => {
  const rig = await rigFor(t);
  const outcomes: Promise<unknown>[] = [];
  for (const transport of Object.values(everyTransport(rig))) {
    const client = createClient(AgentService, transport);
    const stream = client.watchState({})[Symbol.asyncIterator]();
    assert.equal((await stream.next()).value?.kind.case, 'heartbeat');
    outcomes.push(stream.next().catch((error: unknown) => error));
  }
  const polling = clientOf(rig)
    .pollState({})
    .catch((error: unknown) => error);
  // A request of its own connection that is answered shows that the poll before it has arrived.
  await clientOf(rig).getState({});
  const begun = performance.now();
  await rig.stop();
  const tookMs = performance.now() - begun;
  assert.ok(tookMs < 5000, `${tookMs} ms`);
  for (const outcome of [...(await Promise.all(outcomes)), await polling]) {
    assert.ok(outcome instanceof ConnectError);
    assert.equal(outcome.code, Code.Unavailable, outcome.message);
  }
});

test('a stale socket is replaced, a living one and a file are not', async (t) => {
  const rig = await rigFor(t);
  const other = net.createServer();
  await assert.rejects(listenOnSocket(other, rig.socketPath, 0o600), /another process listens/);
  writeFileSync(`${rig.socketPath}.file`, '');
  await assert.rejects(listenOnSocket(other, `${rig.socketPath}.file`, 0o600), /not a socket/);
  const stale = `${rig.socketPath}.stale`;
  const dead = net.createServer();
  await listenOnSocket(dead, stale, 0o600);
  // Closing removes the socket at its path; a crash does not.
  renameSync(stale, `${stale}.kept`);
  await new Promise((resolve) => dead.close(resolve));
  renameSync(`${stale}.kept`, stale);
  await listenOnSocket(other, stale, 0o660);
  assert.equal(statSync(stale).mode & 0o777, 0o660);
  await new Promise((resolve) => other.close(resolve));
  await assert.rejects(listenOnSocket(other, `/tmp/${'x'.repeat(120)}`, 0o600), /at most/);
});
