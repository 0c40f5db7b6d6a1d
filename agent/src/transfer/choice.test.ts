import assert from 'node:assert/strict';
import { lstatSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { inspect } from 'node:util';
import { fromBinary } from '@bufbuild/protobuf';
import { type Object$ as ManifestObject, ManifestSchema } from '@iotdh/proto/update/v1';
import { sampleBytes } from '../../../delta/src/testing/sample-bytes.ts';
import { createFilesReader } from './decode/files-reader.ts';
import type { TransferOutcome } from './outcome.ts';
import { createChunkSearch } from './plan/chunk-search.ts';
import { openDigestIndex } from './plan/digest-index.ts';
import { createFindings } from './plan/findings.ts';
import { createLocalFiles } from './plan/local-files.ts';
import { worthLooking } from './plan/plan.ts';
import { createBench, isWhole, temporaryFolder } from './testing/bench.ts';
import { addChunked, addDelta, createPatchPack } from './testing/forms.ts';
import { addObject, type Blobs, bytesOf, hex, type Pack, sha256 } from './testing/pack.ts';
import type { TransferOptions } from './transfer.ts';

/** A machine with these files installed, and what it brings of a pack. */
function createMachine(t: TestContext, installed: Readonly<Record<string, Buffer>>) {
  const folder = temporaryFolder(t);
  const root = join(folder, 'app');
  mkdirSync(root);
  for (const [name, content] of Object.entries(installed)) writeFileSync(join(root, name), content);
  const stores: string[] = [];
  const local = createLocalFiles({
    roots: { app: { path: root } },
    stores: () => stores,
    indexPath: join(folder, 'digests.db'),
  });
  const transferFolder = join(folder, 'transfer');
  async function bring(
    pack: Pack,
    onRequest: (digest: string) => void = () => {},
    options: Partial<TransferOptions> = {},
    signal?: AbortSignal,
  ) {
    const bench = createBench(pack, transferFolder, {
      ...options,
      local,
      reply(frames, { objectDigest }) {
        onRequest(hex(objectDigest));
        return frames;
      },
    });
    const outcome = await bench.run(signal);
    const asked = new Set(bench.requests.map(({ objectDigest }) => hex(objectDigest)));
    return { outcome, asked, bench, isWhole: () => isWhole(pack, bench.transfer) };
  }
  return { root, stores, transferFolder, bring };
}

const names = (...objects: Pick<ManifestObject, 'digest'>[]) =>
  new Set(objects.map(({ digest }) => hex(digest)));

function tallyOf(outcome: TransferOutcome) {
  assert.ok(outcome.kind === 'complete', inspect(outcome));
  return outcome.tally;
}

const old = sampleBytes(200_000, 1);
/** A few bytes of the old one are others, and a few more are new. */
const revision = Buffer.concat([old.subarray(0, 90_000), Buffer.from('changed here'), old.subarray(90_003)]);

test('what is installed byte for byte is copied and not carried, from another name or another update too', async (t) => {
  const blobs: Blobs = new Map();
  const [kept, elsewhere, fresh] = [bytesOf(30_000, 1), bytesOf(20_000, 2), bytesOf(9_000, 3)];
  const objects = [kept, elsewhere, fresh].map((content) => addObject(blobs, [content]));
  const pack = createPatchPack(blobs, { kept, elsewhere, fresh }, objects);
  const machine = createMachine(t, { 'old-name': kept });
  const store = join(machine.root, '..', 'contents');
  mkdirSync(store);
  writeFileSync(join(store, hex(sha256(elsewhere))), elsewhere);
  machine.stores.push(store);
  const brought = await machine.bring(pack);
  const { origins, savedBytes, carriedBytes, carriers } = tallyOf(brought.outcome);
  assert.ok(await brought.isWhole());
  assert.deepEqual(brought.asked, names(pack.manifest, objects[2]!));
  assert.deepEqual(origins, [
    { origin: 'local', contents: 2, contentBytes: 50_000, carriedBytes: 0 },
    { origin: 'whole', contents: 1, contentBytes: 9_000, carriedBytes: Number(objects[2]!.size) },
  ]);
  assert.equal(savedBytes, Number(objects[0]!.size + objects[1]!.size));
  assert.equal(carriedBytes, Number(objects[2]!.size) + pack.manifest.size);
  assert.deepEqual(carriers, [{ carrier: 'bus', bytes: carriedBytes }]);
});

test('a file that is remembered as what it is not is looked at once, and the content carried', async (t) => {
  const blobs: Blobs = new Map();
  const content = bytesOf(30_000, 1);
  const object = addObject(blobs, [content]);
  const pack = createPatchPack(blobs, { content }, [object]);
  const machine = createMachine(t, { content: bytesOf(30_000, 2) });
  const index = openDigestIndex(join(machine.root, '..', 'digests.db'), () => {});
  const path = join(machine.root, 'content');
  index.put(path, lstatSync(path, { bigint: true }), hex(sha256(content)));
  index.close();
  let accepted = 0;
  const accept = async () => {
    accepted += 1;
    return { kind: 'accepted' } as const;
  };
  const brought = await machine.bring(pack, undefined, { accept }, AbortSignal.timeout(20_000));
  assert.ok(await brought.isWhole(), inspect(brought.outcome));
  assert.deepEqual(brought.asked, names(pack.manifest, object));
  assert.equal(accepted, 1, 'what the machine was asked once is not asked again');
});

test('the list of an object’s chunks is not carried where it costs more than a tenth of what it could save', async () => {
  const blobs: Blobs = new Map();
  const content = sampleBytes(60_000, 5);
  const whole = addObject(blobs, [content]);
  const chunked = await addChunked(blobs, content);
  assert.ok(chunked.encoding.case === 'chunked');
  const list = hex(chunked.encoding.value.chunkListDigest);
  const pack = createPatchPack(blobs, { content }, [whole, chunked]);
  for (const share of [0.09, 0.11]) {
    chunked.encoding.value.chunkListSize = Math.ceil(Number(whole.size) * share);
    const questions = {
      manifest: fromBinary(ManifestSchema, blobs.get(hex(pack.manifest.digest))!),
      isHere: () => false,
      ...{ unusable: () => undefined, hasBase: () => false, knownCost: () => undefined },
    };
    for (const object of questions.manifest.objects)
      if (object.encoding.case === 'chunked')
        object.encoding.value.chunkListSize = chunked.encoding.value.chunkListSize;
    const worth = worthLooking([whole], questions).map(({ encoding }) =>
      encoding.case === 'chunked' ? hex(encoding.value.chunkListDigest) : '',
    );
    assert.deepEqual(worth, share < 0.1 ? [list] : []);
  }
});

test('a delta is carried where its base is, and the whole where one byte of the base differs', async (t) => {
  const blobs: Blobs = new Map();
  const whole = addObject(blobs, [revision]);
  const delta = await addDelta(blobs, [old], revision);
  const pack = createPatchPack(blobs, { program: revision }, [whole, delta]);

  const same = await createMachine(t, { program: old }).bring(pack);
  assert.ok(await same.isWhole());
  assert.ok(same.asked.has(hex(delta.digest)) && !same.asked.has(hex(whole.digest)));
  const tally = tallyOf(same.outcome);
  assert.deepEqual(
    tally.origins.map(({ origin }) => origin),
    ['delta'],
  );
  assert.equal(tally.savedBytes, Number(whole.size - delta.size));

  const differing = Buffer.from(old);
  differing[5] = 1 + differing[5]!;
  const other = await createMachine(t, { program: differing }).bring(pack);
  assert.ok(await other.isWhole());
  assert.deepEqual(other.asked, names(pack.manifest, whole));
});

test('a base that changes while the delta comes is noticed, and the delta is never carried again', async (t) => {
  const blobs: Blobs = new Map();
  const whole = addObject(blobs, [revision]);
  const delta = await addDelta(blobs, [old], revision);
  const pack = createPatchPack(blobs, { program: revision }, [whole, delta]);
  const machine = createMachine(t, { program: old });
  let deltaRequests = 0;
  const brought = await machine.bring(pack, (digest) => {
    if (digest !== hex(delta.digest)) return;
    deltaRequests += 1;
    const path = join(machine.root, 'program');
    const changed = readFileSync(path);
    changed[9] = 1 + changed[9]!;
    writeFileSync(path, changed);
  });
  assert.ok(await brought.isWhole());
  const { origins, carriers, carriedBytes, savedBytes } = tallyOf(brought.outcome);
  assert.deepEqual(
    origins.map(({ origin, contents }) => [origin, contents]),
    [
      ['delta', 0],
      ['whole', 1],
    ],
  );
  // What came in vain came all the same.
  assert.equal(carriedBytes, Number(delta.size + whole.size) + pack.manifest.size);
  assert.deepEqual(carriers, [{ carrier: 'bus', bytes: carriedBytes }]);
  assert.equal(savedBytes, 0);

  // Even with the right base again, and nothing of it brought.
  writeFileSync(join(machine.root, 'program'), old);
  rmSync(join(machine.transferFolder, 'contents', hex(sha256(revision))));
  const before = deltaRequests;
  assert.ok(before > 0);
  const again = await machine.bring(pack);
  assert.ok(!again.asked.has(hex(delta.digest)));
  assert.ok(await again.isWhole());
});

test('a delta that yields something else is marked, and without another form the update fails with its reason', async (t) => {
  const blobs: Blobs = new Map();
  const wrong = await addDelta(blobs, [old], sampleBytes(revision.length, 9));
  wrong.contents[0]!.digest = sha256(revision);
  const garbage = addObject(blobs, [bytesOf(500, 4)], { codec: 1 });
  garbage.contents = wrong.contents;
  garbage.encoding = wrong.encoding;
  const whole = addObject(blobs, [revision]);
  const files = { program: revision };
  const both = await createMachine(t, { program: old }).bring(
    createPatchPack(blobs, files, [wrong, garbage, whole]),
  );
  assert.ok(await both.isWhole());
  const failing = createMachine(t, { program: old });
  const pack = createPatchPack(blobs, files, [wrong, garbage]);
  const { outcome } = await failing.bring(pack);
  assert.ok(outcome.kind === 'failed' && outcome.reason === 'undecodable', inspect(outcome));
  const { asked } = await failing.bring(pack);
  assert.deepEqual([...asked], []);
});

test('of a chunked object only the segments of chunks that are not here are carried, wherever the bytes have moved', async (t) => {
  const blobs: Blobs = new Map();
  const chunked = await addChunked(blobs, revision);
  const pack = createPatchPack(blobs, { program: revision }, [addObject(blobs, [revision]), chunked]);
  const moved = Buffer.concat([Buffer.from('some bytes before'), old]);
  const brought = await createMachine(t, { 'another-name': moved }).bring(pack);
  assert.ok(await brought.isWhole());
  const { origins, savedBytes } = tallyOf(brought.outcome);
  assert.deepEqual(
    origins.map(({ origin, contents }) => [origin, contents]),
    [['chunks', 1]],
  );
  assert.ok(
    origins[0]!.carriedBytes < Number(chunked.size) / 3,
    `${origins[0]!.carriedBytes} of ${chunked.size}`,
  );
  assert.ok(savedBytes > Number(chunked.size) / 2);

  // Without anything alike the whole is the cheaper one, and a machine that is not looked at takes it as well.
  const alien = await createMachine(t, { program: bytesOf(200_000, 8) }).bring(pack);
  assert.ok(await alien.isWhole());
  assert.deepEqual(
    tallyOf(alien.outcome).origins.map(({ origin, contents }) => [origin, contents]),
    [
      ['chunks', 0],
      ['whole', 1],
    ],
  );
});

test('chunks whose file changes before they are used are carried after all', async (t) => {
  const blobs: Blobs = new Map();
  const chunked = await addChunked(blobs, revision);
  const pack = createPatchPack(blobs, { program: revision }, [chunked]);
  const machine = createMachine(t, { program: old });
  const brought = await machine.bring(pack, (digest) => {
    if (digest === hex(chunked.digest)) writeFileSync(join(machine.root, 'program'), old.subarray(0, 50_000));
  });
  assert.ok(await brought.isWhole());
  assert.deepEqual(
    tallyOf(brought.outcome).origins.map(({ contents }) => contents),
    [1],
  );
});

test('a chunked object alone serves a machine that has nothing', async (t) => {
  const blobs: Blobs = new Map();
  const pack = createPatchPack(blobs, { program: revision }, [await addChunked(blobs, revision, 3)]);
  const brought = await createMachine(t, {}).bring(pack);
  assert.ok(await brought.isWhole());
  assert.equal(tallyOf(brought.outcome).savedBytes, 0);
});

test('chunks whose only file is gone before they are used are carried in one more round', async (t) => {
  const blobs: Blobs = new Map();
  const content = sampleBytes(1_000_000, 5);
  const chunked = await addChunked(blobs, content);
  const pack = createPatchPack(blobs, { program: content }, [chunked]);
  const machine = createMachine(t, { program: Buffer.concat([content.subarray(0, 990_000), old]) });
  const brought = await machine.bring(pack, (digest) => {
    if (digest === hex(chunked.digest)) rmSync(join(machine.root, 'program'), { force: true });
  });
  assert.ok(await brought.isWhole());
  const requests = brought.bench.requests.filter(
    ({ objectDigest }) => hex(objectDigest) === hex(chunked.digest),
  );
  const frames = Math.ceil(Number(chunked.size) / 1_500);
  // A request names at most 32 frames, and others are made while those come.
  assert.ok(requests.length < frames / 8, `${requests.length} requests for ${frames} frames`);
  assert.ok(tallyOf(brought.outcome).carriedBytes < Number(chunked.size) * 1.1);
});

test('the files of a root are read once for all objects, and not again after an interruption in the middle', async (t) => {
  const blobs: Blobs = new Map();
  const names = [1, 2, 3].map((seed) => `part-${seed}`);
  const installed = Object.fromEntries(
    names.map((name, index) => [name, sampleBytes(1_500_000, 20 + index)]),
  );
  const files = Object.fromEntries(
    names.map((name, index) => [name, Buffer.concat([installed[name]!, sampleBytes(9_000, 30 + index)])]),
  );
  const objects = await Promise.all(Object.values(files).map((content) => addChunked(blobs, content)));
  const pack = createPatchPack(blobs, files, objects);
  const machine = createMachine(t, installed);
  const busy = new AbortController();
  let bytes = 0;
  const findings = createFindings(
    createChunkSearch({
      createReader() {
        const reader = createFilesReader();
        return {
          ...reader,
          read(path, into, position) {
            bytes += into.length;
            if (bytes > 2_500_000) busy.abort();
            return reader.read(path, into, position);
          },
        };
      },
    }),
  );
  const interrupted = await machine.bring(pack, () => {}, { findings }, busy.signal);
  assert.deepEqual(interrupted.outcome, { kind: 'paused', reason: 'aborted' });
  assert.ok(bytes < 4_000_000);
  const brought = await machine.bring(pack, () => {}, { findings });
  assert.ok(await brought.isWhole());
  // What was in the buffer and not cut yet is read again: less than one chunk.
  assert.ok(bytes < 4_500_000 + 16_384, `${bytes} bytes were read`);
  const { origins, savedBytes } = tallyOf(brought.outcome);
  assert.equal(origins.find(({ origin }) => origin === 'chunks')?.contents, 3);
  assert.ok(savedBytes > objects.reduce((sum, { size }) => sum + Number(size), 0) * 0.8);
});
