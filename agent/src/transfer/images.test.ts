/** The images in the slots of a BASE, as what a transfer need not carry. */
import assert from 'node:assert/strict';
import { appendFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { inspect } from 'node:util';
import { sampleBytes } from '../../../delta/src/testing/sample-bytes.ts';
import type { Origin } from './notes.ts';
import { createLocalFiles } from './plan/local-files.ts';
import type { LocalImage } from './plan/local-images.ts';
import { createBench, isWhole, temporaryFolder } from './testing/bench.ts';
import { addChunked, addDelta } from './testing/forms.ts';
import { addObject, type Blobs, createPack, hex, type Pack, sha256 } from './testing/pack.ts';

const old = sampleBytes(200_000, 1);
const revision = Buffer.concat([old.subarray(0, 90_000), Buffer.from('changed here'), old.subarray(90_003)]);
const altered = Buffer.from(old);
altered[150_000] = altered[150_000]! ^ 1;

/** A machine whose partition `part-0` holds these bytes and, as a larger partition does, something behind them. */
function createMachine(t: TestContext, held: Buffer, recorded: Buffer | null) {
  const folder = temporaryFolder(t);
  const path = join(folder, 'partition');
  writeFileSync(path, held);
  appendFileSync(path, Buffer.alloc(50_000, 0xee));
  const image = recorded && { digest: hex(sha256(recorded)), size: recorded.length };
  const images: LocalImage[] = [{ partition: 'part-0', path, bytes: held.length + 50_000, image }];
  const local = createLocalFiles({
    ...{ roots: {}, stores: () => [], indexPath: join(folder, 'digests.db') },
    images: async () => images,
  });
  async function bring(pack: Pack, onRequest: (digest: string) => void = () => {}) {
    const bench = createBench(pack, join(folder, 'transfer'), {
      local,
      reply(frames, { objectDigest }) {
        onRequest(hex(objectDigest));
        return frames;
      },
    });
    const outcome = await bench.run();
    assert.ok(outcome.kind === 'complete', inspect(outcome));
    assert.ok(await isWhole(pack, bench.transfer));
    const ways = outcome.tally.origins.flatMap(({ origin, contents }): Origin[] =>
      contents > 0 ? [origin] : [],
    );
    return {
      ways,
      tally: outcome.tally,
      asked: new Set(bench.requests.map((each) => hex(each.objectDigest))),
    };
  }
  return { path, images, bring };
}

async function revised(): Promise<{ pack: Pack; whole: string; delta: string }> {
  const blobs: Blobs = new Map();
  const [whole, delta] = [addObject(blobs, [revision]), await addDelta(blobs, [old], revision)];
  const pack = createPack(blobs, [revision], [whole, delta]);
  return { pack, whole: hex(whole.digest), delta: hex(delta.digest) };
}

test('an image that a slot holds already is copied from there, and nothing of it is carried', async (t) => {
  const blobs: Blobs = new Map();
  const pack = createPack(blobs, [old], [addObject(blobs, [old])]);
  const { ways, asked } = await createMachine(t, old, old).bring(pack);
  assert.deepEqual(ways, ['local']);
  assert.deepEqual([...asked], [hex(pack.manifest.digest)]);
});

test('the image of a slot is the base of a delta', async (t) => {
  const { pack, delta, whole } = await revised();
  const { ways, asked, tally } = await createMachine(t, old, old).bring(pack);
  assert.deepEqual(ways, ['delta']);
  assert.ok(asked.has(delta) && !asked.has(whole));
  assert.ok(tally.savedBytes > 10 * tally.carriedBytes, inspect(tally));
});

test('an image that was altered by a byte since it was written is no base: not a byte of the delta is carried', async (t) => {
  const { pack, delta, whole } = await revised();
  const { ways, asked } = await createMachine(t, altered, old).bring(pack);
  assert.deepEqual(ways, ['whole']);
  assert.ok(asked.has(whole) && !asked.has(delta));
});

test('an image that is altered while its delta is carried is found out, and the whole comes after all', async (t) => {
  const { pack, delta } = await revised();
  const machine = createMachine(t, old, old);
  const { ways } = await machine.bring(pack, (digest) => {
    if (digest === delta) writeFileSync(machine.path, altered);
  });
  assert.deepEqual(ways, ['whole']);
});

test('a partition that is gone, or shorter than its image, is nothing to rely on', async (t) => {
  const { pack } = await revised();
  const gone = createMachine(t, old, old);
  rmSync(gone.path);
  assert.deepEqual((await gone.bring(pack)).ways, ['whole']);
  const short = createMachine(t, old, old);
  short.images[0] = { ...short.images[0]!, bytes: old.length - 1 };
  assert.deepEqual((await short.bring(pack)).ways, ['whole']);
});

test('chunks come from a partition that was altered, and from one of which nobody knows what was written', async (t) => {
  const blobs: Blobs = new Map();
  const chunked = await addChunked(blobs, revision);
  const pack = createPack(blobs, [revision], [addObject(blobs, [revision]), chunked]);
  for (const recorded of [old, null]) {
    const { ways, tally } = await createMachine(t, altered, recorded).bring(pack);
    assert.deepEqual(ways, ['chunks']);
    assert.ok(tally.carriedBytes < Number(chunked.size) / 2, inspect(tally));
  }
});
