/**
 * An index of the base by content: where each block of a fixed length lies, for blocks that begin at multiples of a stride. A table
 * of buckets in one array, four entries each, which are one line of the processor's cache: what a bucket has no room for is left out.
 */

export type IndexShape = {
  /** How many bytes a block has. */
  blockBytes: number;
  /** Blocks begin at its multiples. */
  stride: number;
  /** 2^bucketBits buckets. */
  bucketBits: number;
  /** The low bits of an entry, which hold a part of the hash, so that most blocks that differ are never looked at. */
  tagBits: number;
};

export const bucketEntries = 4;

/** Chosen so that a third of the entries stays free. */
export function shapeFor(baseBytes: number): IndexShape {
  const [blockBytes, stride] =
    baseBytes <= 208 * 2 ** 20 ? [16, 4] : baseBytes <= 2 ** 29 ? [24, 8] : [32, 16];
  const blocks = Math.max(1, Math.floor(baseBytes / stride));
  const bucketBits = Math.max(4, Math.ceil(Math.log2((blocks * 1.2) / bucketEntries)));
  const tagBits = 31 - Math.ceil(Math.log2(blocks + 2));
  return { blockBytes, stride, bucketBits, tagBits };
}

export const tableBytes = ({ bucketBits }: IndexShape): number => 4 * bucketEntries * 2 ** bucketBits;

/** Multiplier of the rolling hash; odd. */
export const rollMultiplier = 0x2c1b_3c6d;

/** The multiplier to the power of the block's length: what the byte that leaves a block weighs. */
export function leavingWeight(blockBytes: number): number {
  let weight = 1;
  for (let count = 0; count < blockBytes; count += 1) weight = Math.imul(weight, rollMultiplier);
  return weight;
}

/** Fills `table`, which is all zeros. */
export function buildIndex(base: Uint8Array, table: Int32Array, shape: IndexShape): void {
  const { blockBytes, stride, bucketBits, tagBits } = shape;
  const bucketShift = 32 - bucketBits;
  const tagMask = (1 << tagBits) - 1;
  const multiplier = rollMultiplier | 0;
  const weight = leavingWeight(blockBytes);
  const last = base.length - blockBytes;
  if (last < 0) return;
  let hash = 0;
  for (let at = 0; at < blockBytes; at += 1) hash = (Math.imul(hash, multiplier) + base[at]! + 1) | 0;
  let block = 0;
  let next = 0;
  for (let at = 0; ; at += 1) {
    if (at === next) {
      let mixed = hash ^ (hash >>> 15);
      mixed = Math.imul(mixed, 0x85eb_ca6b);
      mixed ^= mixed >>> 13;
      mixed = Math.imul(mixed, 0xc2b2_ae35);
      const slot = (mixed >>> bucketShift) << 2;
      const entry = ((block + 1) << tagBits) | (mixed & tagMask);
      if (table[slot] === 0) table[slot] = entry;
      else if (table[slot + 1] === 0) table[slot + 1] = entry;
      else if (table[slot + 2] === 0) table[slot + 2] = entry;
      else if (table[slot + 3] === 0) table[slot + 3] = entry;
      block += 1;
      next += stride;
    }
    if (at === last) return;
    hash = (Math.imul(hash, multiplier) + base[at + blockBytes]! + 1 - Math.imul(weight, base[at]! + 1)) | 0;
  }
}
