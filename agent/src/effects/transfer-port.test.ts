import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { Carrier, UpgradeOfferSchema } from '@iotdh/proto/bus/v1';
import type { Preflight } from '../install/installer.ts';
import type { EffectContext } from '../machine/effect.ts';
import type { Update } from '../machine/update.ts';
import { addPatch } from '../testing/pack.ts';
import { realClock } from '../transfer/testing/bench.ts';
import { answer } from '../transfer/testing/cloud.ts';
import type { Blobs } from '../transfer/testing/pack.ts';
import { manifestOf, newRecord } from '../updates/record.ts';
import { openUpdates } from '../updates/update-store.ts';
import { createUpdateView } from '../updates/update-view.ts';
import { createTransferCarriers } from './transfer-carriers.ts';
import { createTransferPort, type TransferPort } from './transfer-port.ts';

type Machine = { freeBytes: number; preflight: Preflight };

/** A transfer port over a machine that changes while the port waits; `waits` says what it does the next time. */
function createRig(t: TestContext, machine: Machine, waits: (() => void)[]) {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-port-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const blobs: Blobs = new Map();
  const updates = { ...openUpdates(folder, () => {}), freeBytes: () => machine.freeBytes };
  const pack = addPatch(blobs, { version: '2.0' });
  const ids = { assignmentId: randomUUID(), transferId: randomUUID() };
  const record = newRecord(
    create(UpgradeOfferSchema, { ...ids, manifest: pack.ref, frameSize: 4096, carriers: [Carrier.BUS] }),
    '',
  );
  updates.put(record);
  const manifest = manifestOf(record, 'patch');
  if (manifest === null) throw new Error('the offer has a manifest');
  const update: Update = { updateId: ids.assignmentId, target: 'patch', manifest };
  const withdrawn: string[] = [];
  const lines: string[] = [];
  const port: TransferPort = createTransferPort({
    updates,
    view: createUpdateView({ updates, manifests: { of: () => null } }),
    async ask(request) {
      setImmediate(async () => {
        for (const frame of answer(blobs, request)) await port.onFrame(frame);
      });
      return { kind: 'sent' };
    },
    preflight: async () => machine.preflight,
    withdrawal: {
      async withdraw(_updateId, ending, reason) {
        withdrawn.push(`${ending}: ${reason}`);
        return true;
      },
    },
    makeCarriers: createTransferCarriers({ https: null, clock: realClock }),
    media: { holding: () => [] },
    reservedBytes: 1_000_000,
    frameWindow: () => 32,
    async sleep() {
      const wait = waits.shift();
      if (wait === undefined) throw new Error('it waits for ever');
      wait();
    },
    ...{ clock: realClock, random: () => 0, log: ({ message }) => lines.push(message) },
  });
  const context: EffectContext = { id: 'x', attempt: 1, signal: new AbortController().signal, progress() {} };
  const start = () => port.start({ kind: 'start_transfer', update }, context);
  return { start, updates, update, withdrawn, lines };
}

const plenty = 1_000_000_000;

test('a disk without the room for the update and what is to stay free is waited for', async (t) => {
  const machine: Machine = { freeBytes: 1_050_000, preflight: { kind: 'met' } };
  const nothing = () => {};
  const rig = createRig(t, machine, [nothing, () => (machine.freeBytes = plenty)]);
  assert.equal((await rig.start()).kind, 'event');
  assert.equal(rig.updates.get(rig.update.updateId)?.patch.complete, true);
  assert.equal(rig.lines.filter((line) => line.includes('there is no room on the disk')).length, 1);
  assert.deepEqual(rig.withdrawn, []);
});

test('a requirement that may be met later is waited for, and one that may not ends the update', async (t) => {
  const reason = 'it needs mains power';
  const machine: Machine = { freeBytes: plenty, preflight: { kind: 'unmet', reason, passing: true } };
  const later = createRig(t, machine, [() => (machine.preflight = { kind: 'met' })]);
  assert.equal((await later.start()).kind, 'event');
  assert.deepEqual(later.withdrawn, []);
  const never = createRig(t, { freeBytes: plenty, preflight: { kind: 'unmet', reason } }, []);
  assert.equal((await never.start()).kind, 'failed');
  assert.deepEqual(never.withdrawn, [`refused: ${reason}`]);
});
