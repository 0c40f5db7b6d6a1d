import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { temporaryFolder } from '../testing/bench.ts';
import { createLocalImages, type ImageDigests } from './local-images.ts';

const image = Buffer.alloc(300_000, 'system');
const content = { digest: createHash('sha256').update(image).digest('hex'), size: image.length };
const { signal } = new AbortController();

function partitionIn(t: TestContext) {
  const path = join(temporaryFolder(t), 'partition');
  writeFileSync(path, image);
  return { partition: 'system', path, bytes: image.length, image: content };
}

test('an image is read once for a transfer, however often it is asked for, and anew for the next', async (t) => {
  const system = partitionIn(t);
  const digests: ImageDigests = new Map();
  const found = { path: system.path, size: image.length };
  assert.deepEqual(await createLocalImages({ images: [system], digests, signal }).find(content), found);
  writeFileSync(system.path, 'another');
  assert.deepEqual(await createLocalImages({ images: [system], digests, signal }).find(content), found);
  assert.equal(await createLocalImages({ images: [system], digests: new Map(), signal }).find(content), null);
});

test('what was found not to be the image any more is not found again', async (t) => {
  const system = partitionIn(t);
  const digests: ImageDigests = new Map();
  const images = createLocalImages({ images: [system], digests, signal });
  assert.ok(await images.find(content));
  images.forget(system.path);
  assert.equal(await images.find(content), null);
  assert.equal(await createLocalImages({ images: [system], digests, signal }).find(content), null);
});

test('a partition is not read for what it was never written with, and the reading can be aborted', async (t) => {
  const system = partitionIn(t);
  const stopped = AbortSignal.abort(new Error('the agent stops'));
  const images = createLocalImages({ images: [system], digests: new Map(), signal: stopped });
  assert.equal(await images.find({ ...content, digest: 'f'.repeat(64) }), null);
  await assert.rejects(images.find(content), /the agent stops/);
});

test('of a partition whose origin nobody knows, as much is looked at as the new image has', (t) => {
  const system = partitionIn(t);
  const unknown = { ...system, path: `${system.path}-b`, bytes: 1_000_000, image: null };
  const kernel = { ...system, partition: 'kernel' };
  const images = createLocalImages({ images: [unknown, kernel, system], digests: new Map(), signal });
  assert.deepEqual(images.likely(['system'], 400_000), [
    { path: system.path, size: image.length },
    { path: unknown.path, size: 400_000 },
  ]);
});
