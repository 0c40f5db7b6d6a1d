import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { Carrier, type UpgradeOffer, UpgradeOfferSchema } from '@iotdh/proto/bus/v1';
import { ManifestRefSchema, type MetadataFile, UpdateKind } from '@iotdh/proto/update/v1';
import { createRepository } from '@iotdh/trust/testing';
import type { Update } from '../machine/update.ts';
import { offeredMetadata, signedManifest } from '../testing/signed.ts';
import { realClock } from '../transfer/testing/bench.ts';
import { writeBundle } from '../transfer/testing/bundle.ts';
import { createPatchPack } from '../transfer/testing/forms.ts';
import { addObject, type Blobs, bytesOf, hex } from '../transfer/testing/pack.ts';
import { vouched } from '../transfer/testing/vouched.ts';
import { createManifestTrust } from '../trust/manifest-trust.ts';
import { openMedia } from '../updates/media.ts';
import { manifestOf, newRecord } from '../updates/record.ts';
import { openUpdates } from '../updates/update-store.ts';
import { createBundleImport, openWaiting } from './bundle-import.ts';
import type { Taken } from './offers.ts';

/** Whether manifests are signed is not what most of these tests are about. */
const trustsAll: Trust = { vouchingFor: () => vouched };
type Trust = Parameters<typeof createBundleImport>[0]['trust'];

function createBench(t: TestContext, answers: Taken[] = []) {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-import-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const blobs: Blobs = new Map();
  const content = bytesOf(5_000, 1);
  const pack = createPatchPack(blobs, { program: content }, [addObject(blobs, [content])]);
  const bundle = join(folder, 'bundle');
  writeBundle(bundle, pack);
  const updates = openUpdates(join(folder, 'updates'), () => {});
  const media = openMedia(join(folder, 'media.json'), () => {});
  const offered: UpgradeOffer[] = [];
  let pending: Update | null = null;
  let woken = 0;
  const createAgain = (trust = trustsAll) =>
    createBundleImport({
      ...{ updates, media, log: () => {}, pending: () => pending },
      offers: {
        async takeImported(offer) {
          offered.push(offer);
          return answers.shift() ?? { kind: 'taken' };
        },
      },
      trust,
      waiting: openWaiting(join(folder, 'waiting.json'), () => {}),
      onBundle: () => {
        woken += 1;
      },
    });
  return {
    ...{ folder, bundle, blobs, pack, media, offered, create: createAgain },
    woken: () => woken,
    /** The update is under way, offered for these carriers. */
    underWay(carriers: Carrier[]) {
      const assignmentId = crypto.randomUUID();
      const manifest = create(ManifestRefSchema, {
        ...pack.manifest,
        ...{ kind: UpdateKind.PATCH, name: 'carto-base', version: '8.1' },
      });
      const ids = { assignmentId, transferId: crypto.randomUUID(), frameSize: 4096, carriers, manifest };
      const record = newRecord(create(UpgradeOfferSchema, ids), '');
      updates.put(record);
      const patch = manifestOf(record, 'patch');
      pending = patch && { updateId: assignmentId, target: 'patch', manifest: patch };
    },
  };
}

test('a bundle is offered like an assignment of the cloud, to be carried from the bundle alone', async (t) => {
  const bench = createBench(t);
  const imported = await bench.create().take(bench.bundle);
  assert.equal(imported.kind, 'taken');
  const [offer] = bench.offered;
  assert.deepEqual(offer?.carriers, [Carrier.OFFLINE]);
  assert.equal(hex(offer?.manifest?.digest ?? new Uint8Array()), hex(bench.pack.manifest.digest));
  assert.deepEqual(bench.media.holding(hex(bench.pack.manifest.digest)), [bench.bundle]);
});

test('what was imported while the machine was busy is offered once it is ready, over a restart too, and once', async (t) => {
  const bench = createBench(t, [{ kind: 'waits' }, { kind: 'later', reason: 'disk' }, { kind: 'taken' }]);
  assert.equal((await bench.create().take(bench.bundle)).kind, 'waits');
  const restarted = bench.create();
  await restarted.onReady();
  await restarted.onReady();
  await restarted.onReady();
  assert.equal(bench.offered.length, 3);
  assert.equal(new Set(bench.offered.map(({ assignmentId }) => assignmentId)).size, 1);
  await bench.create().onReady();
  assert.equal(bench.offered.length, 3);
});

test('the bundle of an update that is under way becomes one more carrier of it, if its assignment allows', async (t) => {
  const bench = createBench(t);
  bench.underWay([Carrier.BUS, Carrier.OFFLINE]);
  assert.equal((await bench.create().take(bench.bundle)).kind, 'joined');
  assert.equal(bench.woken(), 1);
  assert.deepEqual(bench.offered, []);

  const other = createBench(t);
  other.underWay([Carrier.BUS]);
  assert.equal((await other.create().take(other.bundle)).kind, 'refused');
  assert.deepEqual(other.media.holding(hex(other.pack.manifest.digest)), []);
});

test('the refusals of an offer are those of a bundle, and what is no bundle is not offered', async (t) => {
  const bench = createBench(t, [{ kind: 'refused', reason: 'another one is under way' }]);
  const imports = bench.create();
  assert.deepEqual(await imports.take(bench.bundle), { kind: 'refused', reason: 'another one is under way' });
  const link = join(bench.folder, 'link');
  symlinkSync(bench.bundle, link);
  for (const path of ['relative/path', join(bench.folder, 'nothing'), link, bench.folder]) {
    assert.equal((await imports.take(path)).kind, 'invalid', path);
  }
  assert.equal(bench.offered.length, 1);
});

test('what those whom this machine trusts have not signed is refused with the rule, before anything is taken', async (t) => {
  const bench = createBench(t);
  const { folder, blobs, pack, bundle } = bench;
  const nowMs = Date.now();
  const [ours, theirs] = await Promise.all([createRepository({ nowMs }), createRepository({ nowMs })]);
  const manifest = create(ManifestRefSchema, {
    ...pack.manifest,
    ...{ kind: UpdateKind.PATCH, name: 'carto-base', version: '8.1' },
  });
  const trust = createManifestTrust({
    ...{ anchor: ours.anchor, folder: join(folder, 'trust'), builtAtMs: 0, clock: realClock, log: () => {} },
  });
  t.after(() => trust.stop());
  const imported = async (metadata: readonly MetadataFile[], spoil = () => {}) => {
    rmSync(bundle, { recursive: true });
    writeBundle(bundle, pack, metadata);
    spoil();
    const { kind, ...about } = await bench.create(trust).take(bundle);
    return `${kind}: ${'reason' in about ? about.reason : ''}`;
  };
  const forget = (metadata: readonly MetadataFile[]) => {
    for (const { digest } of metadata) blobs.delete(hex(digest));
  };

  assert.match(await imported([]), /^invalid: the manifest is not trusted \(missing_metadata\)/);
  await theirs.publish(signedManifest(manifest));
  const foreign = offeredMetadata(theirs, blobs);
  assert.match(await imported(foreign), /^invalid: .*\(unsigned\): timestamp metadata/);
  forget(foreign);
  await ours.publish(signedManifest(create(ManifestRefSchema, { ...manifest, version: '8.2' })));
  const another = offeredMetadata(ours, blobs);
  assert.match(
    await imported(another),
    /^invalid: .*\(not_a_target\): targets 1 do not sign carto-base\/8\.1/,
  );
  forget(another);
  await ours.publish(signedManifest(manifest));
  const good = offeredMetadata(ours, blobs);
  const damage = () => {
    for (const name of readdirSync(join(bundle, 'metadata'))) {
      const path = join(bundle, 'metadata', name);
      const bytes = readFileSync(path);
      bytes[40]! ^= 1;
      writeFileSync(path, bytes);
    }
  };
  assert.match(await imported(good, damage), /^invalid: metadata\/[0-9a-f]{64} is damaged; copy the bundle/);
  const lose = () => rmSync(join(bundle, 'metadata'), { recursive: true });
  assert.match(await imported(good, lose), /^invalid: metadata is no folder/);
  assert.equal(bench.offered.length, 0);
  assert.deepEqual(bench.media.holding(hex(pack.manifest.digest)), []);

  assert.equal(await imported(good), 'taken: ');
  const digests = (files: readonly MetadataFile[] = []) => files.map(({ digest }) => hex(digest));
  assert.deepEqual(digests(bench.offered[0]?.metadata), digests(good));
  forget(good);
  // What is trusted here by now does for a bundle that brings nothing.
  assert.equal(await imported([]), 'taken: ');
});
