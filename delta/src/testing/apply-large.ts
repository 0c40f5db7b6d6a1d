/** `node apply-large.ts BYTES`: applies a delta that yields so many bytes, and prints how much memory that added. */
import { zstdCompressSync } from 'node:zlib';
import { applyDelta, bytesReader, concatenatedReader, type Reader } from '../apply.ts';
import { headerBytes } from '../format.ts';
import { craftDelta, entries, sparseBody } from './crafted-delta.ts';
import { sampleBytes } from './sample-bytes.ts';

const size = Number(process.argv[2]);
const mebibyte = 2 ** 20;
const literals = sampleBytes(100_000, 1);

/** A base of any size, of which nothing is kept. */
const base: Reader = {
  size,
  async read(into, position) {
    into.fill(position % 251);
  },
};

/** Segments in turn: copied from elsewhere, made from copies and literals, and stored as a whole. The bodies are the same memory again and again. */
function largeDelta(): Reader {
  const full = zstdCompressSync(Buffer.alloc(mebibyte, literals));
  const sparse = sparseBody({
    operations: Array.from({ length: 8 }, (_, index) => [
      12_500,
      mebibyte / 8 - 12_500,
      index === 0 ? 0 : 999,
    ]),
    runs: Array.from({ length: 1_000 }, () => [800, 1]),
    differences: Buffer.alloc(1_000, 3),
    literals,
  });
  const stored = zstdCompressSync(sparse);
  const bodies: Reader[] = [];
  const index: Buffer[] = [];
  for (let position = 0; position < size; position += mebibyte) {
    const kind = (position / mebibyte) % 3;
    // The copies of the last segments would reach beyond the base.
    if (kind === 1 && position + 2 * mebibyte < size) {
      bodies.push(bytesReader(stored));
      index.push(entries.sparse(stored.length, sparse.length));
    } else if (kind === 2) {
      bodies.push(bytesReader(full));
      index.push(entries.full(full.length));
    } else index.push(entries.copy(0));
  }
  const ends = craftDelta({
    codec: 'zstd',
    segmentLog: 20,
    baseSize: size,
    outputSize: size,
    index: Buffer.concat(index),
  });
  return concatenatedReader([
    bytesReader(ends.subarray(0, headerBytes)),
    ...bodies,
    bytesReader(ends.subarray(headerBytes)),
  ]);
}

const delta = largeDelta();
const before = process.resourceUsage().maxRSS;
let outputBytes = 0;
for await (const piece of applyDelta({ base, delta })) outputBytes += piece.length;
console.log(JSON.stringify({ outputBytes, addedBytes: (process.resourceUsage().maxRSS - before) * 1024 }));
