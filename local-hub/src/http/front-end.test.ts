import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, request } from 'node:https';
import { test } from 'node:test';
import { signSas } from '../engine/sas.ts';
import { startRig } from './test-rig.ts';

const { hub, call, dial, addDevice, token, warnings } = await startRig();
await addDevice('d1');

type ErrorBody = { Message: string; ExceptionMessage: string };

test('a request without valid credentials is 401, and the log says why', async () => {
  warnings.length = 0;
  const wrongKey = signSas({
    resource: hub.hostName,
    key: 'AAAA',
    policyName: 'service',
    expiresAtMs: Date.now() + 1e6,
  });
  const expired = signSas({
    resource: hub.hostName,
    key: hub.engine.policies.get('iothubowner')?.primaryKey ?? '',
    policyName: 'iothubowner',
    expiresAtMs: Date.now() - 5_000,
  });
  for (const given of ['', 'Bearer eyJ0eXAi', wrongKey, expired]) {
    const { status, headers, json } = await call('GET', '/devices/d1', { token: given });
    assert.equal(status, 401, given);
    assert.equal(headers['iothub-errorcode'], 'IotHubUnauthorizedAccess');
    assert.match((json as ErrorBody).Message, /^ErrorCode:IotHubUnauthorizedAccess;/);
  }
  assert.equal(warnings.length, 4);
  assert.match(warnings[3]?.reason ?? '', /expired/);
});

test('each path asks for the right that IoT Hub asks for', async () => {
  const cases: [method: string, path: string, allowed: string[]][] = [
    ['GET', '/devices/d1', ['iothubowner', 'registryRead', 'registryReadWrite']],
    ['PUT', '/devices/d1', ['iothubowner', 'registryReadWrite']],
    ['GET', '/twins/d1', ['iothubowner', 'service']],
    ['DELETE', '/devices/d1/commands', ['iothubowner', 'service']],
    ['GET', '/devices/d1/messages/devicebound', ['iothubowner', 'device']],
    ['GET', '/enrollments/e', ['iothubowner', 'registryRead', 'registryReadWrite']],
    ['GET', '/jobs/v2/query', ['iothubowner', 'service']],
  ];
  for (const [method, path, allowed] of cases) {
    for (const policy of ['iothubowner', 'service', 'device', 'registryRead', 'registryReadWrite']) {
      const { status } = await call(method, path, { as: { policy } });
      assert.equal(status !== 401, allowed.includes(policy), `${method} ${path} as ${policy}: ${status}`);
    }
  }
});

test('a device may use its own paths only', async () => {
  await addDevice('d2');
  const as = { device: 'd1' };
  assert.equal((await call('GET', '/devices/d1/messages/devicebound', { as })).status, 204);
  assert.equal((await call('GET', '/devices/d2/messages/devicebound', { as })).status, 401);
  assert.equal((await call('GET', '/devices/d1', { as })).status, 401);
});

test('unknown paths, wrong methods, wrong versions and broken encodings are told apart', async () => {
  assert.equal((await call('GET', '/nowhere')).status, 404);
  assert.match((await call('PATCH', '/devices/d1')).text, /only GET, PUT, DELETE/);
  assert.equal((await call('GET', '/devices/d1', { version: null })).status, 400);
  assert.equal((await call('GET', '/devices/d1', { version: 'yesterday' })).status, 400);
  assert.equal((await call('GET', '/devices/d1', { version: '2025-01-01-preview' })).status, 200);
  assert.equal((await call('GET', '/devices/%E0%A4%A')).status, 400);
});

test('bodies that are no JSON, no object, or too large are refused', async () => {
  const refuse = async (body: unknown, status: number, path = '/devices/new') => {
    const answer = await call('PUT', path, { body });
    assert.equal(answer.status, status, answer.text);
    assert.equal(hub.engine.registry.has('new'), false);
  };
  await refuse('{"deviceId":', 400);
  await refuse('[]', 400);
  await refuse('', 400);
  await refuse(Buffer.alloc(262_145, ' '), 413);
  // Without a length it is found out while it comes.
  const sent = request(`https://127.0.0.1:${hub.port}/devices/new?api-version=2021-04-12`, {
    method: 'PUT',
    ca: hub.caPem,
    agent: false,
    headers: { authorization: token({ policy: 'iothubowner' }), 'transfer-encoding': 'chunked' },
  });
  sent.on('error', () => {});
  sent.write(Buffer.alloc(300_000, ' '));
  const [response] = await once(sent, 'response');
  assert.equal(response.statusCode, 413);
  assert.equal(response.headers.connection, 'close');
  sent.destroy();
});

test('one connection serves many requests, also after a refused one', async (t) => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: hub.caPem });
  t.after(() => agent.destroy());
  const ports = new Set<number | undefined>();
  for (const path of ['/devices/d1', '/nowhere', '/devices/d1']) {
    const sent = request(`https://127.0.0.1:${hub.port}${path}?api-version=2021-04-12`, {
      agent,
      headers: { authorization: token({ policy: 'iothubowner' }) },
    }).end();
    const [response] = await once(sent, 'response');
    ports.add(response.socket.localPort);
    assert.match(response.headers['x-ms-request-id'], /^[0-9a-f-]{36}$/);
    response.resume();
    await once(response, 'end');
  }
  assert.equal(ports.size, 1);
});

test('what is not HTTP is answered with 400 and closed, and disturbs nobody', async () => {
  const socket = await dial();
  socket.write('GET / HTTP/1.1\r\nbroken header\r\n\r\n');
  const chunks = (await socket.toArray()) as Buffer[];
  assert.match(Buffer.concat(chunks).toString(), /^HTTP\/1\.1 400 Bad Request/);
  const large = await dial();
  large.write(`GET / HTTP/1.1\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`);
  assert.match(Buffer.concat((await large.toArray()) as Buffer[]).toString(), /^HTTP\/1\.1 431 /);
  assert.equal((await call('GET', '/healthz', { as: 'nobody', version: null })).status, 200);
});

test('a client that leaves in the middle of a body is forgotten', async () => {
  const socket = await dial();
  const auth = token({ policy: 'iothubowner' });
  socket.write(
    `PUT /devices/half?api-version=2021-04-12 HTTP/1.1\r\nHost: x\r\nAuthorization: ${auth}\r\nContent-Length: 100\r\n\r\n{"dev`,
  );
  socket.end();
  await once(socket.resume(), 'close');
  assert.equal((await call('GET', '/devices/half')).status, 404);
});

test('what the local hub does not have is 501, and names it', async () => {
  for (const [method, path, feature] of [
    ['GET', '/jobs/v2/query', 'jobs'],
    ['PUT', '/jobs/v2/j1', 'jobs'],
    ['POST', '/jobs/create', 'jobs'],
    ['GET', '/configurations', 'configurations'],
    ['GET', '/devices/d1/modules', 'module identities'],
    ['PATCH', '/twins/d1/modules/m', 'module identities'],
    ['GET', '/digitaltwins/d1', 'digital twin'],
  ] as const) {
    const { status, json } = await call(method, path, method === 'GET' ? {} : { body: {} });
    assert.equal(status, 501, path);
    assert.match((json as ErrorBody).Message, new RegExp(`^ErrorCode:NotImplemented;.*${feature}`));
  }
});

test('health can be asked by anybody', async () => {
  const options = { as: 'nobody', version: null } as const;
  assert.deepEqual((await call('GET', '/healthz', options)).json, { status: 'ok' });
  const { json } = await call('GET', '/readyz', options);
  assert.equal((json as { hostName: string }).hostName, hub.hostName);
});
