import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { Carrier, type UpgradeOffer, UpgradeOfferSchema } from '@iotdh/proto/bus/v1';
import { ManifestRefSchema, UpdateKind } from '@iotdh/proto/update/v1';
import type { Update } from '../machine/update.ts';
import { writeBundle } from '../transfer/testing/bundle.ts';
import { createPatchPack } from '../transfer/testing/forms.ts';
import { addObject, type Blobs, bytesOf, hex } from '../transfer/testing/pack.ts';
import { openMedia } from '../updates/media.ts';
import { manifestOf, newRecord } from '../updates/record.ts';
import { openUpdates } from '../updates/update-store.ts';
import { createBundleImport, openWaiting } from './bundle-import.ts';
import type { Taken } from './offers.ts';

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
  const createAgain = () =>
    createBundleImport({
      ...{ updates, media, log: () => {}, pending: () => pending },
      offers: {
        async offer(offer) {
          offered.push(offer);
          return answers.shift() ?? { kind: 'taken' };
        },
      },
      verify: async ({ manifest }) =>
        manifest.version === '6.6' ? { kind: 'refused', reason: 'nobody signed it' } : { kind: 'verified' },
      waiting: openWaiting(join(folder, 'waiting.json'), () => {}),
      onBundle: () => {
        woken += 1;
      },
    });
  return {
    ...{ folder, bundle, pack, media, offered, create: createAgain },
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
