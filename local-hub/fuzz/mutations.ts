/** Damage to bytes that knows nothing of their meaning: flipped bits, cuts, splices, repetitions, lies in likely length fields. */
import type { Random } from './random.ts';

type Mutation = (random: Random, bytes: Buffer, other: Buffer) => Buffer;

const boundaries = [0, 1, 0x7f, 0x80, 0xff];
const wideBoundaries = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0xffff, 0x1_0000];
/** No mutation grows an input beyond this, so that time goes into many inputs and not into long ones. */
const maxBytes = 96 * 1024;

const mutations: readonly Mutation[] = [
  function flipBits(random, bytes) {
    const copy = Buffer.from(bytes);
    for (let flips = 1 + random.below(8); flips > 0; flips -= 1) {
      const at = random.below(copy.length);
      copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8));
    }
    return copy;
  },
  function overwriteByte(random, bytes) {
    const copy = Buffer.from(bytes);
    copy[random.below(copy.length)] = random.chance(0.5) ? random.pick(boundaries) : random.below(256);
    return copy;
  },
  function overwriteWord(random, bytes) {
    if (bytes.length < 4) return bytes;
    const copy = Buffer.from(bytes);
    copy.writeUInt32BE(random.pick(wideBoundaries), random.below(copy.length - 3));
    return copy;
  },
  function truncate(random, bytes) {
    return bytes.subarray(0, random.below(bytes.length));
  },
  function removeSlice(random, bytes) {
    const from = random.below(bytes.length);
    const to = from + 1 + random.below(Math.min(64, bytes.length - from));
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
  },
  function insertNoise(random, bytes) {
    const at = random.below(bytes.length);
    return Buffer.concat([bytes.subarray(0, at), random.bytes(1 + random.below(40)), bytes.subarray(at)]);
  },
  function repeatSlice(random, bytes) {
    const from = random.below(bytes.length);
    const slice = bytes.subarray(from, from + 1 + random.below(200));
    const times = Math.min(1 + random.below(50), Math.floor(maxBytes / slice.length));
    return Buffer.concat([bytes.subarray(0, from), ...Array(times).fill(slice), bytes.subarray(from)]);
  },
  function splice(random, bytes, other) {
    return Buffer.concat([
      bytes.subarray(0, random.below(bytes.length)),
      other.subarray(random.below(other.length)),
    ]);
  },
];

/** Damages `bytes` in one to three ways; `other` is what a splice takes its second half from. */
export function damage(random: Random, bytes: Buffer, other: Buffer): Buffer {
  let result = bytes;
  for (let times = 1 + random.below(3); times > 0 && result.length > 0; times -= 1) {
    result = random.pick(mutations)(random, result, other.length > 0 ? other : bytes);
  }
  return result.subarray(0, maxBytes);
}
