import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesReader, createProducer, type ProduceOptions } from './index.ts';
import { applyWhole } from './testing/apply-whole.ts';
import { createRandom, revised, sampleBytes } from './testing/sample-bytes.ts';
import { startWorker } from './worker-pool.ts';

const one = createProducer({ threads: 1 });
const three = createProducer({ threads: 3 });

async function made(
  base: Uint8Array,
  output: Uint8Array,
  options: Partial<ProduceOptions> = {},
  producer = one,
): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  const producing = producer.produce({
    base: bytesReader(base),
    output: bytesReader(output),
    level: 3,
    ...options,
  });
  for await (const piece of producing) pieces.push(piece);
  return Buffer.concat(pieces);
}

test('a revised program is made again from the old one and little else', async () => {
  const old = sampleBytes(1_500_000, 1);
  const revision = revised(old, 2);
  for (const codec of ['none', 'zstd', 'brotli'] as const) {
    const delta = await made(old, revision, { codec });
    assert.ok((await applyWhole(old, delta)).equals(revision), codec);
    assert.ok(
      delta.length < revision.length / (codec === 'none' ? 30 : 60),
      `${codec}: ${delta.length} bytes`,
    );
  }
});

test('whatever base and output are, the output is made again', async () => {
  const random = createRandom(7);
  const below = (limit: number): number => Math.floor(random() * limit);
  const cases: [Buffer, Buffer][] = [
    [Buffer.alloc(0), Buffer.alloc(0)],
    [Buffer.alloc(0), sampleBytes(10, 1)],
    [sampleBytes(10, 1), Buffer.alloc(0)],
    [Buffer.alloc(3_000_000), Buffer.alloc(2_100_000)],
    [Buffer.alloc(1), Buffer.alloc(1_048_577, 'ab')],
  ];
  for (let round = 0; round < 30; round += 1) {
    const old = sampleBytes(below(5_000), round);
    cases.push([old, revised(Buffer.concat([old, sampleBytes(below(50), round)]), round)]);
  }
  for (const [old, output] of cases) {
    assert.ok(
      (await applyWhole(old, await made(old, output))).equals(output),
      `${old.length}, ${output.length}`,
    );
  }
});

test('the bytes do not depend on how many threads make them', async () => {
  const old = sampleBytes(5_000_000, 3);
  const output = Buffer.concat([revised(old, 4), revised(old, 5), revised(old, 6), revised(old, 7)]);
  assert.ok(output.length > 2 * 8 * 2 ** 20, 'more than two windows');
  const delta = await made(old, output, { level: 1 }, three);
  assert.ok(delta.equals(await made(old, output, { level: 1 })));
  assert.ok((await applyWhole(old, delta)).equals(output));
});

test('a base that is larger than memory is seen in parts, wherever the output has them', async () => {
  const old = sampleBytes(12_000_000, 10);
  // Far from where they were, and changed.
  const output = Buffer.concat([
    revised(old.subarray(9_000_000, 11_000_000), 11),
    old.subarray(6_000_000, 7_500_000),
    revised(old.subarray(0, 3_000_000), 12),
  ]);
  const options = { level: 1, maxBaseBytes: 4 * 2 ** 20 };
  const delta = await made(old, output, options);
  assert.ok((await applyWhole(old, delta)).equals(output));
  assert.ok(delta.length < output.length / 30, `${delta.length} bytes`);
  assert.ok(delta.equals(await made(old, output, options, three)));
});

test('what stays as it is costs a few bytes a megabyte', async () => {
  const old = sampleBytes(3_000_000, 8);
  assert.ok((await made(old, old)).length < 50);
  const moved = await made(old, Buffer.concat([old.subarray(1_000), old.subarray(0, 1_000)]));
  assert.ok(moved.length < 100, `${moved.length} bytes`);
});

test('it reports how far it is, and stops when it is told to', async () => {
  const output = sampleBytes(9_000_000, 9);
  const reported: number[] = [];
  await made(output, output, { onProgress: (doneBytes) => reported.push(doneBytes) });
  assert.deepEqual(reported, [8 * 2 ** 20, 9_000_000]);
  const stop = new AbortController();
  const stopped = made(output, output, {
    signal: stop.signal,
    onProgress: () => stop.abort(new Error('enough')),
  });
  await assert.rejects(stopped, /enough/);
});

test('a reader that fails ends it, and the next delta is made all the same', async () => {
  const broken = { size: 100, read: () => Promise.reject(new Error('EIO')) };
  await assert.rejects(made(Buffer.alloc(0), Buffer.alloc(100), { output: broken }), /EIO/);
  assert.ok((await made(Buffer.alloc(0), Buffer.alloc(100))).length > 0);
});

test('a worker that has ended answers nobody, and nobody waits for it', async () => {
  const worker = startWorker();
  await worker.stop();
  const asked = worker.ask({ kind: 'window', output: new Uint8Array(1), position: 0 });
  await assert.rejects(asked, /a worker of the producer ended/);
});

test.after(() => Promise.all([one.close(), three.close()]));
