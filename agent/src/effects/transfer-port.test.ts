import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  Carrier,
  type FrameRequest,
  TransferRefusal,
  type TransferRefused,
  TransferRefusedSchema,
  UpgradeOfferSchema,
} from '@iotdh/proto/bus/v1';
import { nextTargets } from '@iotdh/trust/author';
import { createRepository, signedBy } from '@iotdh/trust/testing';
import type { Preflight } from '../install/installer.ts';
import type { Log } from '../log/log.ts';
import type { EffectContext } from '../machine/effect.ts';
import type { Update } from '../machine/update.ts';
import { addPatch } from '../testing/pack.ts';
import { offeredMetadata, signedManifest } from '../testing/signed.ts';
import type { LocalFiles } from '../transfer/plan/local-files.ts';
import { realClock } from '../transfer/testing/bench.ts';
import { writeBundle } from '../transfer/testing/bundle.ts';
import { answer } from '../transfer/testing/cloud.ts';
import type { Blobs } from '../transfer/testing/pack.ts';
import { createManifestTrust } from '../trust/manifest-trust.ts';
import { manifestOf, newRecord } from '../updates/record.ts';
import { openUpdates } from '../updates/update-store.ts';
import { createUpdateView } from '../updates/update-view.ts';
import { createTransferCarriers } from './transfer-carriers.ts';
import { createTransferPort, type TransferPort } from './transfer-port.ts';

type Machine = {
  freeBytes: number;
  preflight: Preflight;
  anchored: boolean;
  builtAtMs: number;
  imported?: boolean;
  carriers?: Carrier[];
  /** What follows the hub's refusal of each request for want of quota; undefined: it has some. */
  onRefused?: () => void;
  /** Folders of bundles that were imported. */
  bundles?: string[];
  local?: LocalFiles;
};

const plenty = 1_000_000_000;
const fit: Machine = { freeBytes: plenty, preflight: { kind: 'met' }, anchored: true, builtAtMs: 0 };

const refusalOf = ({ transferId, objectDigest }: FrameRequest): TransferRefused =>
  create(TransferRefusedSchema, {
    ...{ transferId, objectDigest, refusal: TransferRefusal.QUOTA_USED },
    retryTime: timestampFromMs(Date.now() + 3_600_000),
  });

/** A transfer port over a machine that changes while the port waits; `waits` says what it does the next time. */
async function createRig(t: TestContext, machine: Machine, waits: (() => unknown)[]) {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-port-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const blobs: Blobs = new Map();
  const updates = { ...openUpdates(folder, () => {}), freeBytes: () => machine.freeBytes };
  const pack = addPatch(blobs, { version: '2.0' });
  const ids = { assignmentId: randomUUID(), transferId: randomUUID() };
  const repository = await createRepository({ nowMs: Date.now() });
  await repository.publish(signedManifest(pack.ref));
  const offer = () =>
    create(UpgradeOfferSchema, {
      ...{ ...ids, manifest: pack.ref, frameSize: 4096, carriers: machine.carriers ?? [Carrier.BUS] },
      metadata: offeredMetadata(repository, blobs),
    });
  const record = newRecord(offer(), '', machine.imported);
  updates.put(record);
  const manifest = manifestOf(record, 'patch');
  if (manifest === null) throw new Error('the offer has a manifest');
  const update: Update = { updateId: ids.assignmentId, target: 'patch', manifest };
  const withdrawn: string[] = [];
  const lines: string[] = [];
  const asked: string[] = [];
  /** What each preflight was told is still to be written. */
  const carried: number[] = [];
  const log: Log = ({ message }) => lines.push(message);
  const trust = createManifestTrust({
    ...{ anchor: machine.anchored ? repository.anchor : null, folder: join(folder, 'trust') },
    ...{ builtAtMs: machine.builtAtMs, clock: realClock, log },
  });
  t.after(() => trust.stop());
  const port: TransferPort = createTransferPort({
    updates,
    view: createUpdateView({ updates, manifests: { of: () => null } }),
    async ask(request) {
      const { onRefused } = machine;
      setImmediate(async () => {
        if (onRefused !== undefined) {
          port.onRefused(refusalOf(request), Date.now());
          onRefused();
          return;
        }
        for (const frame of answer(blobs, request)) await port.onFrame(frame);
      });
      return { kind: 'sent' };
    },
    async preflight(_manifest, bytes) {
      carried.push(bytes);
      return machine.preflight;
    },
    withdrawal: {
      async withdraw(_updateId, ending, reason) {
        withdrawn.push(`${ending}: ${reason}`);
        return true;
      },
    },
    makeCarriers: createTransferCarriers({ https: null, clock: realClock }),
    media: { holding: () => machine.bundles ?? [] },
    ...(machine.local && { local: machine.local }),
    trust,
    askForOffer: () => asked.push(ids.assignmentId),
    reservedBytes: 1_000_000,
    frameWindow: () => 32,
    async sleep() {
      const wait = waits.shift();
      if (wait === undefined) throw new Error('it waits for ever');
      await wait();
    },
    ...{ clock: realClock, random: () => 0, log },
  });
  const { signal: quiet } = new AbortController();
  const context: EffectContext = { id: 'x', attempt: 1, givenUp: false, signal: quiet, progress() {} };
  const start = (signal = quiet) => port.start({ kind: 'start_transfer', update }, { ...context, signal });
  /** The offer comes again, as the cloud makes it now. */
  const offerAgain = () => {
    const known = updates.get(ids.assignmentId) ?? record;
    updates.put({ ...known, offer: offer(), offers: known.offers + 1 });
  };
  return {
    port,
    folder,
    start,
    updates,
    update,
    withdrawn,
    lines,
    asked,
    carried,
    repository,
    blobs,
    pack,
    offerAgain,
  };
}

test('a disk without the room for the update and what is to stay free is waited for', async (t) => {
  const machine: Machine = { ...fit, freeBytes: 1_050_000 };
  const nothing = () => {};
  const rig = await createRig(t, machine, [nothing, () => (machine.freeBytes = plenty)]);
  assert.equal((await rig.start()).kind, 'event');
  assert.equal(rig.updates.get(rig.update.updateId)?.patch.complete, true);
  assert.equal(rig.lines.filter((line) => line.includes('there is no room on the disk')).length, 1);
  assert.ok(rig.carried.length > 1 && rig.carried.every((bytes) => bytes > 1_000_000), String(rig.carried));
  assert.deepEqual(rig.withdrawn, []);
});

test('a requirement that may be met later is waited for, and one that may not ends the update', async (t) => {
  const reason = 'it needs mains power';
  const machine: Machine = { ...fit, preflight: { kind: 'unmet', reason, passing: true } };
  const later = await createRig(t, machine, [() => (machine.preflight = { kind: 'met' })]);
  assert.equal((await later.start()).kind, 'event');
  assert.deepEqual(later.withdrawn, []);
  const never = await createRig(t, { ...fit, preflight: { kind: 'unmet', reason } }, []);
  assert.equal((await never.start()).kind, 'failed');
  assert.deepEqual(never.withdrawn, [`refused: ${reason}`]);
});

test('without a certificate what a device may choose comes over the hub, and what must come by HTTPS is refused at once', async (t) => {
  const auto = await createRig(t, { ...fit, carriers: [Carrier.BUS, Carrier.HTTPS, Carrier.OFFLINE] }, []);
  assert.equal((await auto.start()).kind, 'event');
  assert.ok(auto.lines.includes('the update comes by bus'));
  const { carriers } = auto.updates.get(auto.update.updateId)?.patch ?? assert.fail();
  assert.deepEqual(
    carriers?.map(({ carrier }) => carrier),
    ['bus'],
  );
  const https = await createRig(t, { ...fit, carriers: [Carrier.HTTPS] }, []);
  assert.equal((await https.start()).kind, 'failed');
  assert.match(https.withdrawn[0] ?? '', /^refused: .*HTTPS only if it was enrolled.*carrier auto/);
});

test('what a transfer found on the disk is still known when it goes on after an interruption, and not after its end', async (t) => {
  const known: unknown[] = [];
  const busy = new AbortController();
  const local: LocalFiles = {
    async look(signal, digests) {
      known.push(digests);
      if (known.length === 1) busy.abort();
      signal.throwIfAborted();
      return { find: async () => null, async *likely() {}, forget() {}, close() {} };
    },
  };
  const rig = await createRig(t, { ...fit, local }, []);
  assert.equal((await rig.start(busy.signal)).kind, 'failed');
  assert.equal((await rig.start()).kind, 'event');
  assert.equal((await rig.start()).kind, 'event');
  assert.ok(known[0] instanceof Map);
  assert.equal(known[1], known[0]);
  assert.notEqual(known[2], known[0]);
});

test('a bundle that is imported while the hub has no quota is used at once', async (t) => {
  const machine: Machine = { ...fit, carriers: [Carrier.BUS, Carrier.OFFLINE] };
  const rig = await createRig(t, machine, []);
  const { blobs, pack, port, updates } = rig;
  const stick = join(rig.folder, 'stick');
  writeBundle(stick, { blobs, manifest: pack.ref }, offeredMetadata(rig.repository, blobs));
  machine.onRefused = () =>
    setImmediate(() => {
      machine.bundles = [stick];
      port.onBundle();
    });
  assert.equal((await rig.start()).kind, 'event');
  const { carriers } = updates.get(rig.update.updateId)?.patch ?? assert.fail();
  assert.deepEqual(
    carriers?.map(({ carrier }) => carrier),
    ['offline'],
  );
});

const dayMs = 86_400_000;

test('a machine that was not told whom to trust takes no update, and says what to set', async (t) => {
  const rig = await createRig(t, { ...fit, anchored: false }, []);
  assert.equal((await rig.start()).kind, 'failed');
  assert.match(
    rig.withdrawn[0] ?? '',
    /^refused: the manifest is not trusted \(no_anchor\).*trust\.rootFile/,
  );
  assert.equal(rig.updates.get(rig.update.updateId)?.patch.end?.ending, 'refused');
});

test('a manifest that nobody signed is refused before a byte of it is asked for', async (t) => {
  const rig = await createRig(t, fit, []);
  rig.repository.targets = await signedBy(nextTargets(null, {}, Date.now()), rig.repository.signers.targets);
  rig.repository.versions.targets = 1;
  await rig.repository.renew({ snapshot: true });
  rig.offerAgain();
  rig.blobs.delete(Buffer.from(rig.pack.ref.digest).toString('hex'));
  assert.equal((await rig.start()).kind, 'failed');
  assert.match(rig.withdrawn[0] ?? '', /not_a_target.*carto\/2\.0/);
});

test('metadata that have run out are asked for anew, and the fresh ones are taken', async (t) => {
  const builtAtMs = Date.now() + 8 * dayMs;
  const rig: Awaited<ReturnType<typeof createRig>> = await createRig(t, { ...fit, builtAtMs }, [
    () => assert.equal(rig.asked.length, 1),
    async () => {
      rig.repository.nowMs = builtAtMs;
      await rig.repository.publish(signedManifest(rig.pack.ref));
      rig.offerAgain();
    },
  ]);
  assert.equal((await rig.start()).kind, 'event');
  assert.equal(rig.asked.length, 1);
});

test('metadata that still have run out when the offer has come again end the update', async (t) => {
  const builtAtMs = Date.now() + 8 * dayMs;
  const rig: Awaited<ReturnType<typeof createRig>> = await createRig(t, { ...fit, builtAtMs }, [
    () => rig.offerAgain(),
  ]);
  assert.equal((await rig.start()).kind, 'failed');
  assert.match(rig.withdrawn[0] ?? '', /\(expired\)/);
});

test('metadata that ran out on a stick end the update, for nobody could be asked for fresh ones', async (t) => {
  const rig = await createRig(t, { ...fit, imported: true, builtAtMs: Date.now() + 8 * dayMs }, []);
  assert.equal((await rig.start()).kind, 'failed');
  assert.match(rig.withdrawn[0] ?? '', /\(expired\)/);
  assert.deepEqual(rig.asked, []);
});
