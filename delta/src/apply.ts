/** Applies a delta: one segment at a time, reading the delta and the base by position, in memory that their sizes do not change. */
import { createBaseCopies } from './base-copies.ts';
import { decompressInto } from './codec.ts';
import { DeltaError } from './delta-error.ts';
import { type DeltaCodec, segmentCount } from './format.ts';
import { readLayout } from './header.ts';
import type { Reader } from './reader.ts';
import { readIndex } from './segment-index.ts';
import { applySparse } from './sparse.ts';

export { DeltaError, type DeltaReason } from './delta-error.ts';
export type { DeltaCodec } from './format.ts';
export { bytesReader, concatenatedReader, type Reader } from './reader.ts';

export type ApplyOptions = {
  delta: Reader;
  /** The bytes that the delta was made against; that they are these is for the caller to know, by their digests. */
  base: Reader;
  /** What the manifest says of the output; a delta that says otherwise is refused before anything is yielded. */
  expected?: { outputSize: number; codec: DeltaCodec };
  /** Where to begin: a multiple of 1 MiB at which an earlier run ended. Default 0. */
  from?: number;
  signal?: AbortSignal;
};

/**
 * The output, in order, in pieces of at most 1 MiB; all of them are the same memory, so a piece is valid until the next one is asked
 * for. Header and index are checked as a whole before the first piece. Throws `DeltaError`, or what a reader throws.
 */
export async function* applyDelta(options: ApplyOptions): AsyncGenerator<Uint8Array, void, undefined> {
  const { delta, base, expected, from = 0, signal } = options;
  const layout = await readLayout(delta);
  const { codec, segmentBytes, baseSize, outputSize } = layout;
  if (base.size !== baseSize) {
    throw new DeltaError('wrong-base', `made for a base of ${baseSize} bytes, and this one has ${base.size}`);
  }
  if (expected !== undefined && (expected.outputSize !== outputSize || expected.codec !== codec)) {
    const [said, is] = [`${expected.outputSize} bytes, ${expected.codec}`, `${outputSize} bytes, ${codec}`];
    throw new DeltaError('wrong-output', `should yield ${said}, and yields ${is}`);
  }
  if (from % segmentBytes !== 0 || from < 0) throw new RangeError(`no segment begins at ${from}`);
  for await (const _ of readIndex(delta, layout)) signal?.throwIfAborted();
  if (segmentCount(outputSize, segmentBytes) === 0) return;

  const longest = Math.min(segmentBytes, outputSize);
  const whole = new Uint8Array(longest);
  const copies = createBaseCopies(base);
  const storedMemory = createScratch();
  const bodyMemory = createScratch();
  for await (const segment of readIndex(delta, layout)) {
    signal?.throwIfAborted();
    if (segment.position < from) continue;
    const output = whole.subarray(0, segment.length);
    if (segment.kind === 'copy') {
      await base.read(output, segment.basePosition);
      yield output;
      continue;
    }
    const { kind, bodyPosition, storedBytes, plainBytes } = segment;
    const what = `segment ${segment.index}`;
    const body = kind === 'full' ? output : bodyMemory.ofLength(plainBytes);
    if (storedBytes === plainBytes) await delta.read(body, bodyPosition);
    else {
      const stored = storedMemory.ofLength(storedBytes);
      await delta.read(stored, bodyPosition);
      decompressInto(body, stored, codec, what);
    }
    if (kind === 'sparse') await applySparse(body, output, segment.position, baseSize, copies, what);
    yield output;
  }
}

/** Memory that grows to the longest body and is used again: V8 is slow to give back what is made anew each time. */
function createScratch(): { ofLength(length: number): Uint8Array } {
  let scratch = new Uint8Array(0);
  return {
    ofLength(length) {
      if (scratch.length < length) scratch = new Uint8Array(Math.max(length, 64 * 1024));
      return scratch.subarray(0, length);
    },
  };
}
