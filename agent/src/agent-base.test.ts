import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { UpdateOutcome } from '@iotdh/proto/bus/v1';
import { UpdateKind } from '@iotdh/proto/update/v1';
import { bootFileImageSlots } from './slots/file-image-slots.ts';
import { addBase, addPatch } from './testing/pack.ts';
import { createWorkstation } from './testing/workstation.ts';

test('a base takes a failed patch’s place: written, confirmed, started once, proven and told', {
  timeout: 60_000,
}, async (t) => {
  const machine = mkdtempSync(join(tmpdir(), 'iotdh-slots-'));
  t.after(() => rmSync(machine, { recursive: true }));
  const slots = join(machine, 'slots');
  const bootIdFile = join(machine, 'boot-id');
  writeFileSync(bootIdFile, 'first');
  const station = await createWorkstation(t, (folder) => ({
    slots: { folder: slots },
    partitions: [{ name: 'system', role: 'boot', bytes: 65_536 }],
    bootIdFile,
    restartCommand: ['touch', join(folder, 'restart')],
  }));
  const { client, cloud } = station;
  const patch = addPatch(station.blobs, { version: '2.0', check: 'exit 3\n' });
  const base = addBase(station.blobs, '1.0');
  await client.ready();
  await station.reached('READY');
  await cloud.offer(patch, { fallback: base.ref });
  await station.reached('WAIT_CONFIRM_PATCH');
  await station.confirm();
  await station.reached('WAIT_CONFIRM_BASE');
  await station.confirm();
  await station.made('restart');
  await station.kill('SIGKILL');
  assert.equal(bootFileImageSlots(slots), 'b');
  writeFileSync(bootIdFile, 'second');
  await station.start();
  await station.reached('READY');
  const { payload } = await cloud.said('updateResult', ({ kind }) => kind === UpdateKind.BASE);
  assert.equal(payload.value.outcome, UpdateOutcome.APPLIED);
  assert.deepEqual(Buffer.from(payload.value.manifestDigest), Buffer.from(base.ref.digest));
  assert.equal(bootFileImageSlots(slots), 'b');
});
