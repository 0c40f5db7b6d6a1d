/** Inputs of the applier: deltas that are nearly right, so that what is wrong lies deep, and noise. */
import { compress } from '../src/codec.ts';
import type { DeltaCodec } from '../src/format.ts';
import { craftDelta, entries, sequence, sparseBody } from '../src/testing/crafted-delta.ts';
import { sampleBytes } from '../src/testing/sample-bytes.ts';
import type { Random } from './random.ts';

/** One is shorter than a segment, one longer. */
export const bases: readonly Buffer[] = [sampleBytes(3_000, 1), sampleBytes(150_000, 2), Buffer.alloc(0)];

/** Where arithmetic goes wrong. */
const edges = [
  0,
  1,
  2,
  127,
  128,
  255,
  256,
  65_535,
  65_536,
  65_537,
  131_071,
  131_072,
  131_073,
  2 ** 20,
  2 ** 24,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 40,
  2 ** 41,
  2 ** 42 - 1,
];

/** A number that is right, or nearly, or at an edge. */
function bent(random: Random, right: number, oddness: number): number {
  if (!random.chance(oddness)) return right;
  return random.chance(0.5) ? Math.max(0, right + random.below(5) - 2) : random.pick(edges);
}

/** A segment's body, in which each number may be wrong. */
function inventBody(random: Random, length: number, position: number, base: Buffer, oddness: number): Buffer {
  const operations: [number, number, number?][] = [];
  let [literals, copies, at, expected] = [0, 0, 0, position];
  while (at < length && operations.length < 40) {
    const left = length - at;
    const literal = random.chance(0.5) ? random.below(Math.min(left, 40) + 1) : 0;
    const last = operations.length === 39;
    const room = Math.min(left - literal, base.length);
    const copied = last ? room : random.chance(0.3) ? room : random.below(room + 1);
    if (literal + copied === 0) continue;
    const from = random.below(base.length - copied + 1);
    const jump = from - expected;
    if (copied > 0) expected = from + copied;
    const numbers = [bent(random, literal, oddness), bent(random, copied, oddness)] as const;
    operations.push(
      copied > 0 || random.chance(oddness)
        ? [...numbers, bent(random, Math.abs(jump), oddness) * Math.sign(jump)]
        : [...numbers],
    );
    literals += literal;
    copies += copied;
    at += literal + copied;
  }
  if (at < length) {
    operations.push([length - at, 0]);
    literals += length - at;
  }
  const runs: [number, number][] = [];
  let differences = 0;
  for (let left = copies; left > 2 && runs.length < 20 && random.chance(0.7); ) {
    const unchanged = random.below(left - 1);
    const changed = 1 + random.below(Math.min(left - unchanged, 30));
    runs.push([bent(random, unchanged, oddness), bent(random, changed, oddness)]);
    differences += changed;
    left -= unchanged + changed;
  }
  return sparseBody({
    operations,
    runs,
    differences: random.bytes(Math.min(bent(random, differences, oddness), 200_000)),
    literals: random.bytes(Math.min(bent(random, literals, oddness), 200_000)),
  });
}

/** A delta for `base` that is valid where `oddness` is 0. */
export function inventDelta(random: Random, base: Buffer, oddness: number): Buffer {
  const codec = random.pick<DeltaCodec>(['none', 'none', 'zstd', 'brotli']);
  const outputSize = random.chance(0.9) ? random.below(4_000) : random.below(200_000);
  const index: Buffer[] = [];
  const bodies: Buffer[] = [];
  let expected = 0;
  for (let position = 0; position < outputSize; position += 65_536) {
    const length = Math.min(65_536, outputSize - position);
    if (random.chance(0.3) && base.length >= length) {
      const from = random.below(base.length - length + 1);
      index.push(entries.copy(bent(random, from, oddness) - expected));
      expected = from + length;
      continue;
    }
    expected += length;
    const sparse = random.chance(0.8);
    const plain = sparse ? inventBody(random, length, position, base, oddness) : random.bytes(length);
    const compressed = random.chance(0.9) ? compress(plain, codec, 1) : plain;
    const stored = Buffer.from(compressed.length < plain.length ? compressed : plain);
    bodies.push(stored);
    const storedBytes = bent(random, stored.length, oddness / 4);
    index.push(
      sparse
        ? entries.sparse(storedBytes, bent(random, plain.length, oddness / 4))
        : entries.full(storedBytes),
    );
  }
  return craftDelta({
    codec: random.chance(oddness / 4) ? random.below(256) : codec,
    version: random.chance(oddness / 8) ? random.below(256) : 1,
    segmentLog: random.chance(oddness / 8) ? random.below(64) : 16,
    baseSize: bent(random, base.length, oddness / 8),
    outputSize: bent(random, outputSize, oddness / 8),
    index: Buffer.concat(index),
    bodies: Buffer.concat(bodies),
  });
}

/** Damage that knows nothing of what it damages. */
export function damage(random: Random, delta: Buffer, other: Buffer): Buffer {
  let bytes = Buffer.from(delta);
  for (let times = 1 + random.below(3); times > 0 && bytes.length > 0; times -= 1) {
    const at = random.below(bytes.length);
    switch (random.below(7)) {
      case 0:
        bytes[at]! ^= 1 << random.below(8);
        break;
      case 1:
        bytes[at] = random.pick([0, 1, 0x7f, 0x80, 0xff, random.below(256)]);
        break;
      case 2:
        bytes = bytes.subarray(0, at);
        break;
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.below(16))]);
        break;
      case 4:
        bytes = Buffer.concat([
          bytes.subarray(0, at),
          random.bytes(1 + random.below(16)),
          bytes.subarray(at),
        ]);
        break;
      case 5:
        bytes = Buffer.concat([bytes.subarray(0, at), sequence(random.pick(edges)), bytes.subarray(at)]);
        break;
      default:
        bytes = Buffer.concat([bytes.subarray(0, at), other.subarray(random.below(other.length))]);
    }
  }
  return bytes;
}
