import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBaseCopies } from './base-copies.ts';
import { bytesReader } from './reader.ts';
import { sampleBytes } from './testing/sample-bytes.ts';

const bytes = sampleBytes(1_000_000, 1);

/** What the copies make, and where they read how much. */
async function copied(...copies: [length: number, position: number][]) {
  const reads: [position: number, length: number][] = [];
  const reader = bytesReader(bytes);
  const base = createBaseCopies({
    size: reader.size,
    read(into, position) {
      reads.push([position, into.length]);
      return reader.read(into, position);
    },
  });
  let at = 0;
  for (const [length, position] of copies) {
    base.add(at, length, position);
    at += length;
  }
  const output = new Uint8Array(at);
  await base.copyInto(output);
  const expected = Buffer.concat(
    copies.map(([length, position]) => bytes.subarray(position, position + length)),
  );
  assert(expected.equals(output));
  return reads;
}

test('copies that lie close together are one read, in whatever order they come and where they overlap', async () => {
  assert.deepEqual(await copied([10, 9_000], [100, 50], [4, 60], [20, 8_000]), [[50, 8_960]]);
});

test('copies that lie far apart are read by themselves, in the order of the base', async () => {
  const far = await copied([10, 500_000], [10, 100]);
  assert.deepEqual(far, [
    [100, 10],
    [500_000, 10],
  ]);
});

test('so much is read together and no more, and a longer copy goes straight to the output', async () => {
  const long = await copied([400_000, 300], [200_000, 400_300], [100_000, 600_400], [5, 0]);
  assert.deepEqual(long, [
    [0, 5],
    [300, 400_000],
    [400_300, 200_000],
    [600_400, 100_000],
  ]);
});

test('ten thousand copies are what they should be', async () => {
  const copies = Array.from({ length: 10_000 }, (_, index): [number, number] => [
    1 + (index % 90),
    (index * 7_919) % 999_000,
  ]);
  assert((await copied(...copies)).length < 10);
});
