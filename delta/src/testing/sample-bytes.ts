/** Bytes that a seed determines, and changed versions of them that are like what a compiler makes of a changed program. */

/** From 0 up to 1 (mulberry32, public domain). */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b_79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Compresses by half, and repeats itself as programs do. */
export function sampleBytes(length: number, seed: number): Buffer {
  const random = createRandom(seed);
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at += 1) {
    const far = Math.floor(random() * 4_000);
    bytes[at] = random() < 0.3 && far < at ? bytes[at - far - 1]! : Math.floor(random() ** 2 * 256);
  }
  return bytes;
}

/** Addresses shifted here and there, pieces inserted, removed and moved. */
export function revised(bytes: Buffer, seed: number): Buffer {
  const random = createRandom(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  let result = Buffer.from(bytes);
  for (let at = below(400); at + 4 <= result.length; at += 20 + below(4_000)) {
    result.writeInt32LE((result.readInt32LE(at) + 64) | 0, at);
  }
  for (let count = 1 + below(4); count > 0; count -= 1) {
    const at = below(result.length);
    const inserted = sampleBytes(below(3_000), seed + count);
    result = Buffer.concat([result.subarray(0, at), inserted, result.subarray(at + below(2_000))]);
  }
  const cut = below(result.length);
  return Buffer.concat([result.subarray(cut), result.subarray(0, cut)]);
}
