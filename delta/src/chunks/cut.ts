/**
 * Content-defined chunks: FastCDC (Xia et al., USENIX ATC 2016) with normalised chunking of level 2 over a 32-bit gear hash. Cuts
 * follow the bytes and not their place, so a run of bytes that two files share is cut alike in both. The table and the masks are what
 * `iotdh.update.v1.Chunking` says, for others to cut identically.
 */
import { createHash } from 'node:crypto';

/** Where bytes are read from, by position; asked only for bytes that `size` says are there. */
export type ByteSource = { readonly size: number; read(into: Uint8Array, position: number): Promise<void> };

/** Sizes in bytes; `average` is a power of two. */
export type Chunking = { min: number; average: number; max: number };

/** A chunk and where it begins. The bytes are valid until the next one is asked for. */
export type Chunk = { position: number; bytes: Uint8Array };

/** gear[b]: the first four bytes, the highest first, of the SHA-256 of the byte b. */
const gear = Int32Array.from({ length: 256 }, (_, byte) =>
  createHash('sha256').update(Uint8Array.of(byte)).digest().readInt32BE(0),
);

/**
 * How long the chunk is that begins at `from`. `to` is where the bytes at hand end: `max` or more bytes on, unless the contents
 * end there.
 */
export function chunkLength(
  bytes: Uint8Array,
  from: number,
  to: number,
  { min, average, max }: Chunking,
): number {
  const most = Math.min(to - from, max);
  if (most <= min) return most;
  const bits = 31 - Math.clz32(average);
  const strict = -1 << (32 - (bits + 2));
  const loose = -1 << (32 - (bits - 2));
  const middle = from + Math.min(average - 1, most);
  const end = from + most;
  let hash = 0;
  let at = from + min;
  for (; at < middle; at += 1) {
    hash = ((hash << 1) + gear[bytes[at]!]!) | 0;
    if ((hash & strict) === 0) return at + 1 - from;
  }
  for (; at < end; at += 1) {
    hash = ((hash << 1) + gear[bytes[at]!]!) | 0;
    if ((hash & loose) === 0) return at + 1 - from;
  }
  return most;
}

/** Of the buffer that files are read into, as a multiple of the longest chunk: what is left over is moved to its front. */
const bufferChunks = 4;
const leastBufferBytes = 1024 * 1024;

/** The chunks of everything that the reader has, in order, in memory that its size does not change. */
export async function* chunksOf(
  reader: ByteSource,
  chunking: Chunking,
  signal?: AbortSignal,
): AsyncGenerator<Chunk, void, undefined> {
  const longest = Math.max(leastBufferBytes, chunking.max * bufferChunks);
  const buffer = new Uint8Array(Math.min(longest, reader.size));
  let start = 0;
  let filled = 0;
  for (let position = 0; position < reader.size; ) {
    const left = reader.size - position;
    if (filled - start < Math.min(chunking.max, left)) {
      signal?.throwIfAborted();
      buffer.copyWithin(0, start, filled);
      filled -= start;
      start = 0;
      const wanted = Math.min(buffer.length, left) - filled;
      await reader.read(buffer.subarray(filled, filled + wanted), position + filled);
      filled += wanted;
    }
    const length = chunkLength(buffer, start, filled, chunking);
    yield { position, bytes: buffer.subarray(start, start + length) };
    start += length;
    position += length;
  }
}
