import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { createRig, tapTelemetry } from '../bus/testing/rig.ts';
import { isWhole, realClock, temporaryFolder, transferId } from './testing/bench.ts';
import { answer, type Misbehaviour, misbehaviour } from './testing/cloud.ts';
import { samplePack } from './testing/pack.ts';
import { vouched } from './testing/vouched.ts';
import { createTransfer } from './transfer.ts';

type Rig = Awaited<ReturnType<typeof createRig>>;

/** Answers every request that reaches the hub from now on, as a backend that keeps nothing would. */
function respond(rig: Rig, pack: ReturnType<typeof samplePack>, reply: Misbehaviour): { requests: number } {
  const seen = { requests: 0 };
  const telemetry = tapTelemetry(rig.hub);
  void telemetry.find(({ payload }) => {
    if (payload.case === 'frameRequest') {
      seen.requests += 1;
      for (const value of reply(answer(pack.blobs, payload.value))) {
        // A queue that is full, or a hub that is restarting, loses the frame; the device asks again.
        void rig.send({ case: 'frame', value }).catch(() => {});
      }
    }
    return false;
  });
  return seen;
}

async function bring(
  t: Parameters<typeof createRig>[0],
  { reply, onProgress }: { reply: Misbehaviour; onProgress(rig: Rig, again: () => void): void },
): Promise<void> {
  const rig = await createRig(t);
  const pack = samplePack(7, 3);
  const again = () => void respond(rig, pack, reply);
  again();
  const bus = rig.createBus({
    receivers: {
      frame: ({ payload }) => transfer.onFrame(payload.value),
      transferRefused: ({ payload }) => transfer.onRefused(payload.value),
    },
  });
  let progressed = 0;
  const transfer = createTransfer({
    vouching: vouched,
    transferId,
    manifest: pack.manifest,
    frameSize: 4_096,
    folder: temporaryFolder(t),
    source: { ask: (value) => bus.ask({ case: 'frameRequest', value }) },
    clock: realClock,
    random: Math.random,
    patienceMs: 150,
    maxCorrupt: 50,
    onProgress() {
      progressed += 1;
      if (progressed === 6) onProgress(rig, again);
    },
  });
  bus.onLink(({ kind }) => {
    if (kind === 'open') transfer.onLinkOpen();
  });
  bus.start();
  const outcome = await transfer.run(new AbortController().signal);
  assert.equal(outcome.kind, 'complete', inspect(outcome));
  assert.ok(await isWhole(pack, transfer));
}

test('an update comes over the hub and the real SDK although frames are lost, double, damaged and foreign', async (t) => {
  await bring(t, { reply: misbehaviour(3), onProgress: () => {} });
});

test('a link that is cut in the middle of a transfer delays it, and no more', async (t) => {
  const cut = Promise.withResolvers<void>();
  await bring(t, {
    reply: (frames) => frames,
    onProgress(rig) {
      rig.hub.faults.inject({ kind: 'cut-link' });
      void rig.links.find(({ kind }) => kind === 'waiting').then(() => cut.resolve());
    },
  });
  await cut.promise;
});

test('a hub that restarts in the middle of a transfer delays it, and no more', async (t) => {
  const restarted = Promise.withResolvers<void>();
  await bring(t, {
    reply: (frames) => frames,
    onProgress(rig, again) {
      void rig.hub.restart().then(() => {
        again();
        restarted.resolve();
      });
    },
  });
  await restarted.promise;
});
