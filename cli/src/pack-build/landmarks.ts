/**
 * Landmarks of a content: hashes of 32 bytes at places that the bytes themselves choose, one in some thousands. Contents that have a
 * piece in common have its landmarks in common, wherever in them it lies, so files that were renamed, moved or packed together are
 * found without comparing all with all.
 */

/** Every byte's random number, the same everywhere. */
const gear = new Int32Array(256);
for (let value = 0, state = 1; value < 256; value += 1) {
  state = (state + 0x6d2b_79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), state | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  gear[value] = mixed ^ (mixed >>> 14);
}

/** More of one content tell nothing more. */
const maxLandmarks = 65_536;

/** The landmarks of bytes that come piece by piece, each once; one in 2^`rarityBits` bytes on average. */
export async function landmarksOf(
  pieces: AsyncIterable<Uint8Array>,
  rarityBits: number,
): Promise<Set<number>> {
  const landmarks = new Set<number>();
  // The high bits depend on the most bytes.
  const mask = -1 << (32 - rarityBits);
  let hash = 0;
  let seen = 0;
  for await (const piece of pieces) {
    for (let at = 0; at < piece.length; at += 1) {
      hash = ((hash << 1) + gear[piece[at]!]!) | 0;
      if ((hash & mask) === 0 && seen + at >= 32) landmarks.add(hash);
    }
    seen += piece.length;
    if (landmarks.size >= maxLandmarks) break;
  }
  return landmarks;
}
