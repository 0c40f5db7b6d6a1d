import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { silentLog } from '../diagnostics.ts';
import { issueCertificate } from '../issue-certificate.ts';
import { openStore } from '../store/open-store.ts';
import { createManualClock } from './clock.ts';
import { createEngine } from './engine.ts';

/** Opens hubs on one data directory, one after the other, at the same standing time. */
async function createHome(t: TestContext) {
  const dataDir = await mkdtemp(join(tmpdir(), 'local-hub-'));
  const clock = createManualClock();
  let close = async () => {};
  t.after(async () => {
    await close();
    await rm(dataDir, { recursive: true });
  });
  return async () => {
    await close();
    const store = openStore({ dataDir });
    const engine = await createEngine({ store, clock, log: silentLog, settings: { hostName: 'localhost' } });
    close = async () => {
      await engine.stop();
      await store.close();
    };
    return { engine, store };
  };
}

test('devices, twins, policies, authorities and the quota are what they were before a restart', async (t) => {
  const start = await createHome(t);
  const { engine: before } = await start();
  await before.registry.create({ deviceId: 'd1' });
  const x509Thumbprint = { primaryThumbprint: 'AB'.repeat(20) };
  await before.registry.create({ deviceId: 'd2', authentication: { type: 'selfSigned', x509Thumbprint } });
  await before.registry.update({ deviceId: 'd1', status: 'disabled', statusReason: 'lost' }, '*');
  await before.twins.update('d1', { tags: { site: 'A' }, desired: { a: { b: 1 } } }, { replace: false });
  await before.twins.patchReported('d1', { c: 'ü' });
  const nowMs = Date.now();
  const root = await issueCertificate({ commonName: 'root', kind: 'authority', validDays: 2, nowMs });
  await before.authorities.add({ name: 'root', certificatePem: root.certPem });
  const expected = {
    devices: before.registry.list(),
    twins: ['d1', 'd2'].map(before.twins.get),
    policies: before.policies.list(),
    authorities: before.authorities.list(),
    ledger: before.throttles.ledger(),
  };
  assert.equal(expected.ledger.byKind.twin, 2);

  const { engine: after } = await start();
  assert.deepEqual(
    {
      devices: after.registry.list(),
      twins: ['d1', 'd2'].map(after.twins.get),
      policies: after.policies.list(),
      authorities: after.authorities.list(),
      ledger: after.throttles.ledger(),
    },
    expected,
  );
});

test('a deleted device leaves nothing on disk', async (t) => {
  const start = await createHome(t);
  const { engine: before } = await start();
  await before.registry.create({ deviceId: 'd1' });
  await before.twins.patchReported('d1', { a: 1 });
  await before.cloudToDevice.send('d1', { body: Buffer.from('x'), system: {}, properties: {} });
  await before.registry.remove('d1');
  const { engine: after, store } = await start();
  assert.deepEqual(after.registry.list(), []);
  assert.deepEqual([...store.documents.load('twin')], []);
  assert.deepEqual([...store.commands.load()], []);
});
