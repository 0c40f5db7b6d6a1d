import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HelloReason, UpdateOutcome } from '@iotdh/proto/bus/v1';
import { addPatch } from './testing/pack.ts';
import { createWorkstation, traceParent } from './testing/workstation.ts';

test('an update goes all the way: offered, brought, confirmed, applied, checked, and told to the cloud', {
  timeout: 40_000,
}, async (t) => {
  const station = await createWorkstation(t);
  const { client, cloud } = station;
  const part = { product: 'Patch Unit', version: '3.1' };
  const pack = addPatch(station.blobs, { version: '2.0', beside: part });
  await client.reportVersion({ product: 'Carto', version: '1.0' }, { parts: [part] });
  assert.equal((await client.getState()).state, 'BUSY');
  await client.ready();
  await station.reached('READY');
  await cloud.said('hello', ({ reason }) => reason === HelloReason.STARTED);
  const assignmentId = await cloud.offer(pack);
  await station.reached('WAIT_CONFIRM_PATCH');
  const { pendingUpdate } = await client.getState();
  assert.equal(pendingUpdate?.title, 'Carto 2.0');
  assert.deepEqual(pendingUpdate?.changes, ['Carto 2.0 itself']);
  assert.equal(station.installed(), '1.0');
  await station.confirm();
  await station.reached('READY');

  const result = await cloud.said('updateResult');
  assert.equal(result.payload.value.outcome, UpdateOutcome.APPLIED);
  assert.equal(result.payload.value.assignmentId, assignmentId);
  assert.equal(result.traceParent, traceParent);
  assert.equal(station.installed(), '2.0');
  const versions = result.payload.value.inventory.map(({ product }) => [product?.product, product?.version]);
  assert.ok(versions.some(([name, version]) => name === 'Carto' && version === '2.0'));
  await cloud.said('hello', ({ reason }) => reason === HelloReason.INVENTORY_CHANGED);
  const consent = await cloud.said('consent');
  assert.equal(consent.payload.value.person?.id, 'nurse-7');
  await cloud.said('stateChanged', ({ sequence }) => sequence === 6n);
  assert.deepEqual(
    station.statesTold().map(({ sequence }) => Number(sequence)),
    [1, 2, 3, 4, 5, 6],
  );
  for (const message of cloud.messages.all) {
    const { payload } = message;
    const about = payload.case === 'stateChanged' && payload.value.sequence > 1n;
    if (about || payload.case === 'frameRequest')
      assert.equal(message.traceParent, traceParent, payload.case);
  }
  await cloud.said('telemetry');
  assert.equal(await station.kill('SIGTERM'), 0);
});
