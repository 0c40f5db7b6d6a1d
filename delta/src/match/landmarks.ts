/**
 * Landmarks: hashes of 32 bytes at places that the bytes themselves choose, one in some thousands. Two stretches of bytes that have
 * a piece in common have its landmarks in common, wherever it lies in them, so that what belongs together is found without
 * comparing all with all.
 */

/** Every byte's number, the same everywhere. */
const gear = new Int32Array(256);
for (let value = 0, state = 1; value < 256; value += 1) {
  state = (state + 0x6d2b_79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), state | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  gear[value] = mixed ^ (mixed >>> 14);
}

/** Bytes that a landmark is of. */
const reachBytes = 32;

export type LandmarkScanner = {
  /** Takes the next bytes, and reports each landmark with how many bytes have been scanned before its end. */
  scan(bytes: Uint8Array, found: (landmark: number, end: number) => void): void;
};

/** One landmark in 2^rarityBits bytes, on average. */
export function createLandmarkScanner(rarityBits: number): LandmarkScanner {
  // The high bits depend on the most bytes.
  const mask = -1 << (32 - rarityBits);
  let hash = 0;
  let scanned = 0;
  return {
    scan(bytes, found) {
      for (let at = 0; at < bytes.length; at += 1) {
        hash = ((hash << 1) + gear[bytes[at]!]!) | 0;
        if ((hash & mask) === 0 && scanned + at >= reachBytes) found(hash, scanned + at);
      }
      scanned += bytes.length;
    },
  };
}
