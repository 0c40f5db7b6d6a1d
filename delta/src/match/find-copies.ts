/**
 * What of the output can be copied from the base, and from where. Copies are approximate, as in bsdiff (C. Percival, "Naive
 * differences of executable code", 2003): one goes on over bytes that differ for as long as most agree, because code that was
 * compiled again is the old code with other addresses in it.
 */
import { bucketEntries, type IndexShape, leavingWeight, rollMultiplier } from './block-index.ts';

/** Triples: where a copy begins in the output, where in the base, how many bytes. In order and disjoint. */
export type Copies = { triples: Int32Array; count: number };

/** A new alignment must agree in so many more bytes than the one that it replaces. */
const advantage = 8;
/** A match is not measured further than this before it is preferred to others. */
const measuredBytes = 4_096;

/** One call for each window of the output. `expected` is where the base is likely to have its first byte. */
export function findCopies(
  base: Uint8Array,
  table: Int32Array,
  shape: IndexShape,
  output: Uint8Array,
  expected: number,
): Copies {
  const { blockBytes, stride, bucketBits, tagBits } = shape;
  const bucketShift = 32 - bucketBits;
  const tagMask = (1 << tagBits) - 1;
  const multiplier = rollMultiplier | 0;
  const weight = leavingWeight(blockBytes);
  const baseEnd = base.length;
  const end = output.length;
  let triples = new Int32Array(3 * 4_096);
  let used = 0;

  // The alignment under way: output[copyAt + i] is like base[copyFrom + i].
  let copyAt = 0;
  let copyFrom = Math.min(expected, baseEnd);
  let scan = 0;
  // The bytes from `scan` up to `runEnd` agree with the alignment under way, and the one there does not.
  let runEnd = -1;
  let hash = 0;
  // Where the block that `hash` is of begins; -1: of none.
  let hashedAt = -1;

  while (scan < end) {
    let foundFrom = -1;
    const shift = copyFrom - copyAt;
    for (; scan < end; scan += 1) {
      if (scan > runEnd) {
        runEnd = scan;
        const limit = Math.min(end, baseEnd - shift);
        while (runEnd < limit && base[runEnd + shift] === output[runEnd]) runEnd += 1;
        if (runEnd - scan >= blockBytes) {
          scan = runEnd;
          continue;
        }
      }
      if (scan + blockBytes > end) {
        scan = end;
        break;
      }
      if (hashedAt === scan - 1 && hashedAt >= 0) {
        hash =
          (Math.imul(hash, multiplier) +
            output[scan + blockBytes - 1]! +
            1 -
            Math.imul(weight, output[scan - 1]! + 1)) |
          0;
      } else {
        hash = 0;
        for (let at = scan; at < scan + blockBytes; at += 1)
          hash = (Math.imul(hash, multiplier) + output[at]! + 1) | 0;
      }
      hashedAt = scan;
      let mixed = hash ^ (hash >>> 15);
      mixed = Math.imul(mixed, 0x85eb_ca6b);
      mixed ^= mixed >>> 13;
      mixed = Math.imul(mixed, 0xc2b2_ae35);
      const slot = (mixed >>> bucketShift) << 2;
      const tag = mixed & tagMask;
      let best = 0;
      let bestFrom = -1;
      for (let index = 0; index < bucketEntries; index += 1) {
        const entry = table[slot + index]!;
        if (entry === 0) break;
        if ((entry & tagMask) !== tag) continue;
        const from = ((entry >>> tagBits) - 1) * stride;
        const limit = Math.min(end - scan, baseEnd - from, measuredBytes);
        let length = 0;
        while (length < limit && base[from + length] === output[scan + length]) length += 1;
        if (length > best) {
          best = length;
          bestFrom = from;
        }
      }
      if (best < blockBytes) continue;
      let agreeing = 0;
      if (scan + shift < baseEnd) {
        const limit = Math.min(scan + best, baseEnd - shift);
        for (let at = scan; at < limit; at += 1) if (base[at + shift] === output[at]) agreeing += 1;
      }
      if (best > agreeing + advantage) {
        foundFrom = bestFrom;
        break;
      }
    }

    // How far the old alignment is carried forward, and the new one backward.
    let forward = 0;
    {
      const limit = Math.min(scan - copyAt, baseEnd - copyFrom);
      let score = 0;
      let bestScore = 0;
      for (let at = 0; at < limit; ) {
        score += base[copyFrom + at] === output[copyAt + at] ? 1 : -1;
        at += 1;
        if (score > bestScore) {
          bestScore = score;
          forward = at;
        }
      }
    }
    let backward = 0;
    if (foundFrom >= 0) {
      const limit = Math.min(scan - copyAt, foundFrom);
      let score = 0;
      let bestScore = 0;
      for (let at = 1; at <= limit; at += 1) {
        score += base[foundFrom - at] === output[scan - at] ? 1 : -1;
        if (score > bestScore) {
          bestScore = score;
          backward = at;
        } else if (score < bestScore - 1_024) break;
      }
      const overlap = copyAt + forward - (scan - backward);
      if (overlap > 0) {
        // The split at which the two agree with the most bytes together.
        let gained = 0;
        let most = 0;
        let split = 0;
        for (let at = 0; at < overlap; at += 1) {
          const place = scan - backward + at;
          if (base[place - copyAt + copyFrom] === output[place]) gained += 1;
          if (base[foundFrom - backward + at] === output[place]) gained -= 1;
          if (gained > most) {
            most = gained;
            split = at + 1;
          }
        }
        forward += split - overlap;
        backward -= split;
      }
    }
    if (forward > 0) {
      if (used + 3 > triples.length) {
        const larger = new Int32Array(triples.length * 2);
        larger.set(triples);
        triples = larger;
      }
      triples[used] = copyAt;
      triples[used + 1] = copyFrom;
      triples[used + 2] = forward;
      used += 3;
    }
    if (foundFrom < 0) break;
    copyAt = scan - backward;
    copyFrom = foundFrom - backward;
    runEnd = -1;
  }
  return { triples, count: used / 3 };
}
