import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { UpdateOutcome } from '@iotdh/proto/bus/v1';
import { addHubSettings } from './testing/pack.ts';
import { createWorkstation } from './testing/workstation.ts';

test('a connection to the hub is changed by an update if it connects, and is as before if it does not', {
  timeout: 60_000,
}, async (t) => {
  const station = await createWorkstation(t);
  const { client, cloud, blobs, folder } = station;
  mkdirSync(join(folder, 'data', 'secrets'));
  const given = readFileSync(join(folder, 'connection-string'), 'utf8');
  writeFileSync(join(folder, 'data', 'secrets', 'hub'), given);
  const kept = () => readFileSync(join(folder, 'data', 'connections.json'), 'utf8');
  await client.ready();
  await station.reached('READY');

  const good = await cloud.offer(
    addHubSettings(blobs, {
      version: '1',
      value: { case: 'secretName', value: 'hub' },
      seconds: 20n,
    }),
  );
  await station.reached('WAIT_CONFIRM_PATCH');
  await station.confirm();
  const applied = await cloud.said('updateResult', ({ assignmentId }) => assignmentId === good);
  assert.equal(
    applied.payload.value.outcome,
    UpdateOutcome.APPLIED,
    applied.payload.value.steps.at(-1)?.detail,
  );
  assert.equal(JSON.parse(kept())['iot/']['connection-string'], given);
  await station.reached('READY');

  const value = { case: 'text', value: 'HostName=;nothing of use' } as const;
  const bad = await cloud.offer(addHubSettings(blobs, { version: '2', value, seconds: 1n }));
  await station.reached('WAIT_CONFIRM_PATCH');
  await station.confirm();
  const restored = await cloud.said('updateResult', ({ assignmentId }) => assignmentId === bad);
  assert.equal(restored.payload.value.outcome, UpdateOutcome.TAKEN_BACK);
  assert.ok(restored.payload.value.steps.some(({ detail }) => detail.includes('the old settings are back')));
  assert.equal(JSON.parse(kept())['iot/']['connection-string'], given);
  assert.ok(!station.output.includes(given), 'a secret is in the log');
});
