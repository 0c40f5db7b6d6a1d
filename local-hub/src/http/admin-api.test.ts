/** The hub's own API under /local-hub/. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startRig } from './test-rig.ts';

const { hub, call, addDevice, warnings } = await startRig();
const admin = { as: { admin: hub.adminToken }, version: null } as const;

test('it wants the admin token, not a policy, and says where to find it', async () => {
  const paths = [
    '/local-hub/faults',
    '/local-hub/metering',
    '/local-hub/connections',
    '/local-hub/authorities',
  ];
  for (const path of paths) {
    for (const as of ['nobody', { policy: 'iothubowner' }, { admin: 'guess' }, { admin: '' }] as const) {
      assert.equal((await call('GET', path, { as, version: null })).status, 401, path);
    }
    assert.equal((await call('GET', path, admin)).status, 200, path);
  }
  assert.match(warnings.at(-1)?.next ?? '', /admin-token/);
});

test('faults are injected, listed and cleared', async () => {
  const body = { kind: 'throttle', deviceId: 'd1', count: 3 };
  const injected = await call('POST', '/local-hub/faults', { ...admin, body });
  assert.equal(injected.status, 201);
  const { id } = injected.json as { id: string };
  const [listed] = (await call('GET', '/local-hub/faults', admin)).json as {
    id: string;
    remaining: number;
  }[];
  assert.deepEqual([listed?.id, listed?.remaining], [id, 3]);
  assert.equal((await call('DELETE', `/local-hub/faults/${id}`, admin)).status, 204);
  assert.equal((await call('DELETE', `/local-hub/faults/${id}`, admin)).status, 404);
  await call('POST', '/local-hub/faults', { ...admin, body });
  assert.deepEqual((await call('DELETE', '/local-hub/faults', admin)).json, { cleared: 1 });
  const wrong = await call('POST', '/local-hub/faults', { ...admin, body: { kind: 'explode' } });
  assert.equal(wrong.status, 400);
  assert.match(wrong.text, /kind must be one of/);
});

test('metering and connections can be read', async () => {
  await addDevice('d1');
  await hub.engine.cloudToDevice.send('d1', { body: Buffer.alloc(5_000), system: {}, properties: {} });
  const { profile, ledger } = (await call('GET', '/local-hub/metering', admin)).json as {
    profile: string;
    ledger: {
      messages: number;
      byKind: Record<string, number>;
      operationsByKind: Record<string, number>;
    };
  };
  assert.equal(profile, 'off');
  assert.deepEqual([ledger.messages, ledger.byKind.c2d, ledger.operationsByKind.c2d], [2, 2, 1]);
  const { counts, devices } = (await call('GET', '/local-hub/connections', admin)).json as {
    counts: Record<string, number>;
    devices: unknown[];
  };
  assert.deepEqual([counts, devices], [{ mqtt: 0, amqp: 0, http: 1 }, []]);
});

test('an authority is added, and then the devices that it signed are known', async () => {
  const root = await hub.certificates.issueAuthority('a company');
  const { certPem: cert, keyPem: key } = await hub.certificates.issueClient('x1', { issuer: root });
  await addDevice('x1', { authentication: { type: 'certificateAuthority' } });
  const send = () => call('POST', '/devices/x1/messages/events', { as: 'nobody', cert, key, body: 'x' });
  assert.equal((await send()).status, 401);
  const added = await call('PUT', '/local-hub/authorities/company', {
    ...admin,
    body: { certificate: root.certPem },
  });
  assert.equal(added.status, 201, added.text);
  assert.equal((await send()).status, 204);
  assert.equal(((await call('GET', '/local-hub/authorities', admin)).json as unknown[]).length, 1);
  assert.equal((await call('DELETE', '/local-hub/authorities/company', admin)).status, 204);
  assert.equal((await call('DELETE', '/local-hub/authorities/company', admin)).status, 404);
  assert.equal((await send()).status, 401);
  assert.equal((await call('PUT', '/local-hub/authorities/x', { ...admin, body: {} })).status, 400);
});

test('a restart is answered before it happens', async () => {
  const { engine } = hub;
  const answer = await call('POST', '/local-hub/restart', admin);
  assert.deepEqual([answer.status, answer.json], [202, { restarting: true }]);
  // A second restart waits for the first.
  await hub.restart();
  assert.notEqual(hub.engine, engine);
  assert.equal((await call('GET', '/readyz', { as: 'nobody', version: null })).status, 200);
});
