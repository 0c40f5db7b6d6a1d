/** The paths that services use: registry, twins, queries, methods, purge, provisioning. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeviceIdentity } from '../engine/identity.ts';
import { signSas } from '../engine/sas.ts';
import type { Twin } from '../engine/twin.ts';
import { startRig } from './test-rig.ts';

const { hub, call, addDevice, token } = await startRig();

test('a device is created without If-Match, updated with it, read, listed and deleted', async () => {
  const created = await call('PUT', '/devices/d1', { body: { deviceId: 'd1' } });
  assert.equal(created.status, 200, created.text);
  const device = created.json as DeviceIdentity;
  assert.equal(created.headers.etag, `"${device.etag}"`);
  assert.match(created.headers['content-type'] ?? '', /application\/json/);
  assert.ok(device.authentication.symmetricKey.primaryKey);

  assert.equal((await call('PUT', '/devices/d1', { body: { deviceId: 'd1' } })).status, 409);
  const update = (etag: string) =>
    call('PUT', '/devices/d1', {
      body: { deviceId: 'd1', status: 'disabled' },
      headers: { 'If-Match': etag },
    });
  assert.equal((await update('"stale"')).status, 412);
  assert.equal(((await update(`"${device.etag}"`)).json as DeviceIdentity).status, 'disabled');
  assert.equal((await update('"*"')).status, 200);

  assert.equal(((await call('GET', '/devices/d1')).json as DeviceIdentity).status, 'disabled');
  await addDevice('d0');
  assert.equal(((await call('GET', '/devices/')).json as DeviceIdentity[]).length, 2);
  assert.equal(((await call('GET', '/devices?top=1')).json as DeviceIdentity[]).length, 1);
  assert.equal((await call('GET', '/devices?top=0')).status, 400);
  assert.deepEqual((await call('GET', '/statistics/devices')).json, {
    totalDeviceCount: 2,
    enabledDeviceCount: 1,
    disabledDeviceCount: 1,
  });
  assert.deepEqual((await call('GET', '/statistics/service')).json, { connectedDeviceCount: 0 });

  assert.equal((await call('DELETE', '/devices/d1', { headers: { 'If-Match': '"stale"' } })).status, 412);
  const deleted = await call('DELETE', '/devices/d1', { headers: { 'If-Match': '"*"' } });
  assert.deepEqual([deleted.status, deleted.text], [204, '']);
  assert.equal((await call('GET', '/devices/d1')).status, 404);
  const mismatch = await call('PUT', '/devices/d1', { body: { deviceId: 'other' } });
  assert.equal(mismatch.status, 400);
});

test('a bulk request says for each device what went wrong', async () => {
  const body = [
    { id: 'b1', importMode: 'create' },
    { id: 'b2', importMode: 'create', status: 'disabled' },
  ];
  const first = await call('POST', '/devices', { body });
  assert.deepEqual(first.json, { isSuccessful: true, errors: [], warnings: [] });
  const second = await call('POST', '/devices', { body: [...body, { id: 'b3', importMode: 'create' }] });
  assert.equal(second.status, 400);
  const { errors } = second.json as { errors: { deviceId: string; errorCode: string }[] };
  assert.deepEqual(
    errors.map(({ deviceId, errorCode }) => [deviceId, errorCode]),
    [
      ['b1', 'DeviceAlreadyExists'],
      ['b2', 'DeviceAlreadyExists'],
    ],
  );
  assert.ok(hub.engine.registry.has('b3'));
  assert.equal((await call('POST', '/devices', { body: [{ id: 'b1', importMode: 'Delete' }] })).status, 200);
  assert.equal(hub.engine.registry.has('b1'), false);
  for (const wrong of [{}, [1], [{ id: 'x', importMode: 'explode' }], [{ importMode: 'create' }]]) {
    assert.equal((await call('POST', '/devices', { body: wrong })).status, 400, JSON.stringify(wrong));
  }
});

test('a twin is read, merged, replaced and guarded by its etag', async () => {
  await addDevice('t1');
  const patched = await call('PATCH', '/twins/t1', {
    body: { tags: { site: 'a' }, properties: { desired: { rate: 5 }, reported: { ignored: true } } },
  });
  const twin = patched.json as Twin;
  assert.equal(patched.headers.etag, `"${twin.etag}"`);
  assert.deepEqual(twin.tags, { site: 'a' });
  assert.equal(twin.properties.desired.rate, 5);
  assert.equal('ignored' in twin.properties.reported, false);
  const stale = await call('PATCH', '/twins/t1', { body: { tags: {} }, headers: { 'If-Match': '"stale"' } });
  assert.equal(stale.status, 412);
  const replaced = await call('PUT', '/twins/t1', {
    body: { tags: { room: 2 } },
    headers: { 'If-Match': `"${twin.etag}"` },
  });
  assert.deepEqual((replaced.json as Twin).tags, { room: 2 });
  assert.deepEqual(((await call('GET', '/twins/t1')).json as Twin).tags, { room: 2 });
  assert.equal((await call('GET', '/twins/nobody')).status, 404);
  assert.equal((await call('PATCH', '/twins/t1', { body: { properties: 5 } })).status, 400);
});

test('a query comes in pages', async () => {
  await Promise.all(['q1', 'q2', 'q3'].map((id) => addDevice(id)));
  const body = { query: "SELECT deviceId FROM devices WHERE STARTSWITH(deviceId, 'q')" };
  const found: string[] = [];
  let continuation: string | undefined;
  do {
    const page = await call('POST', '/devices/query', {
      body,
      headers: {
        'x-ms-max-item-count': '2',
        ...(continuation !== undefined && { 'x-ms-continuation': continuation }),
      },
    });
    assert.equal(page.status, 200, page.text);
    assert.equal(page.headers['x-ms-item-type'], 'raw');
    found.push(...(page.json as { deviceId: string }[]).map(({ deviceId }) => deviceId));
    continuation = page.headers['x-ms-continuation'] as string | undefined;
  } while (continuation !== undefined);
  assert.deepEqual([found.length, new Set(found)], [3, new Set(['q1', 'q2', 'q3'])]);
  assert.equal((await call('POST', '/devices/query', { body: { query: 'DROP devices' } })).status, 400);
  assert.equal((await call('POST', '/devices/query', { body: {} })).status, 400);
});

test('a direct method reaches the device and brings its answer', async () => {
  await addDevice('m1');
  const { engine } = hub;
  const auth = engine.authentication.authenticateDevice({
    deviceId: 'm1',
    sasToken: token({ device: 'm1' }),
  });
  const offline = await call('POST', '/twins/m1/methods', { body: { methodName: 'reboot' } });
  assert.equal(offline.status, 404);
  assert.equal(offline.headers['iothub-errorcode'], 'DeviceNotOnline');

  const session = await engine.presence.connect(auth, { protocol: 'mqtt', remote: 'test', close() {} });
  session.onMethod(({ requestId, methodName, body }) => {
    const answer = JSON.stringify({ methodName, got: JSON.parse(body.toString()) });
    engine.methods.respond(session, requestId, 201, Buffer.from(answer));
  });
  const { status, json } = await call('POST', '/twins/m1/methods', {
    body: { methodName: 'reboot', payload: { now: true }, responseTimeoutInSeconds: 5 },
  });
  assert.equal(status, 200);
  assert.deepEqual(json, { status: 201, payload: { methodName: 'reboot', got: { now: true } } });
  for (const wrong of [{}, { methodName: 'x', responseTimeoutInSeconds: 'soon' }]) {
    assert.equal(
      (await call('POST', '/twins/m1/methods', { body: wrong })).status,
      400,
      JSON.stringify(wrong),
    );
  }
  session.end();
});

test('a purge empties the queue and says how many messages it had', async () => {
  await addDevice('p1');
  const message = { body: Buffer.from('x'), system: {}, properties: {} };
  await hub.engine.cloudToDevice.send('p1', message);
  await hub.engine.cloudToDevice.send('p1', message);
  assert.deepEqual((await call('DELETE', '/devices/p1/commands')).json, {
    deviceId: 'p1',
    totalMessagesPurged: 2,
    moduleId: null,
  });
  assert.equal((await call('DELETE', '/devices/nobody/commands')).status, 404);
});

test('enrollments are managed, and a device registers itself by one', async () => {
  const key = Buffer.alloc(32, 1).toString('base64');
  const attestation = { type: 'symmetricKey', symmetricKey: { primaryKey: key, secondaryKey: key } };
  const put = await call('PUT', '/enrollments/e1', { body: { registrationId: 'e1', attestation } });
  assert.equal(put.status, 200, put.text);
  assert.equal((await call('PUT', '/enrollments/e1', { body: { attestation } })).status, 409);
  assert.equal((await call('GET', '/enrollments/e1')).status, 200);
  const shown = await call('POST', '/enrollments/e1/attestationmechanism');
  assert.deepEqual((shown.json as typeof attestation).symmetricKey, attestation.symmetricKey);
  const readOnly = await call('POST', '/enrollments/e1/attestationmechanism', {
    as: { policy: 'registryRead' },
  });
  assert.equal(readOnly.status, 401);
  const query = await call('POST', '/enrollments/query', { body: { query: 'SELECT * FROM enrollments' } });
  assert.equal((query.json as unknown[]).length, 1);
  assert.equal(query.headers['x-ms-item-type'], 'enrollment');
  assert.equal((await call('POST', '/enrollments/query', { body: { query: 'SELECT 1' } })).status, 501);
  const bulk = await call('POST', '/enrollmentGroups', {
    body: { mode: 'create', enrollmentGroups: [{ enrollmentGroupId: 'g1', attestation }] },
  });
  assert.deepEqual(bulk.json, { isSuccessful: true, errors: [] });

  const { scopeId } = hub.provisioning;
  const registrationToken = signSas({
    resource: `${scopeId}/registrations/e1`,
    key,
    expiresAtMs: Date.now() + 60_000,
  });
  const options = { token: registrationToken, version: '2019-03-31' };
  const path = `/${scopeId}/registrations/e1`;
  const begun = await call('PUT', `${path}/register`, { ...options, body: { registrationId: 'e1' } });
  assert.equal(begun.status, 202, begun.text);
  assert.ok(Number(begun.headers['retry-after']) >= 1);
  const { operationId } = begun.json as { operationId: string };
  const done = await call('GET', `${path}/operations/${operationId}`, options);
  const { registrationState } = done.json as { registrationState: { assignedHub: string; deviceId: string } };
  assert.deepEqual([registrationState.assignedHub, registrationState.deviceId], [hub.hostName, 'e1']);
  const wrong = await call('PUT', `${path}/register`, { version: '2019-03-31', as: 'nobody', body: {} });
  assert.equal(wrong.status, 401);
  assert.equal((await call('GET', '/registrations/e1')).status, 200);
  assert.equal((await call('DELETE', '/registrations/e1')).status, 204);
  assert.equal((await call('DELETE', '/enrollments/e1')).status, 204);
  assert.equal((await call('GET', '/enrollments/e1')).status, 404);
});
