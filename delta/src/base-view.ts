/**
 * What the producer holds of the base in memory. A base that fits is there as a whole. Of a larger one each stretch of the output sees
 * the regions that it has landmarks in common with, and those at its own place, end to end.
 */
import { createLandmarkScanner } from './match/landmarks.ts';
import type { Reader } from './reader.ts';

/** Parts of the base, end to end, in the order in which the base has them. */
export type BaseView = {
  bytes: Uint8Array;
  parts: { at: number; position: number; length: number }[];
};

export type BaseViews = {
  /** How many bytes of the output see the same view. */
  stretchBytes: number;
  /** The most bytes that a view has. */
  viewBytes: number;
  /** The view for the output from `position` on; its memory is used again for the next one. */
  load(position: number, length: number): Promise<BaseView>;
};

const mebibyte = 2 ** 20;
const regionBytes = mebibyte;
const readBytes = 4 * mebibyte;
/** A landmark of more regions than these tells nothing. */
const maxSharing = 4;

export type BaseViewOptions = {
  base: Reader;
  output: Reader;
  /** The most bytes of the base in memory. */
  maxBytes: number;
  signal: AbortSignal | undefined;
};

export async function createBaseViews(options: BaseViewOptions): Promise<BaseViews> {
  const { base, maxBytes } = options;
  if (base.size > maxBytes) return selectedViews(options);
  const bytes = new Uint8Array(new SharedArrayBuffer(base.size));
  await readInto(bytes, base, 0, options.signal);
  const view = { bytes, parts: [{ at: 0, position: 0, length: base.size }] };
  return {
    stretchBytes: Number.POSITIVE_INFINITY,
    viewBytes: base.size,
    load: () => Promise.resolve(view),
  };
}

async function selectedViews({ base, output, maxBytes, signal }: BaseViewOptions): Promise<BaseViews> {
  // A million landmarks or so, however large the base is.
  const rarityBits = Math.max(10, Math.ceil(Math.log2(base.size / mebibyte)));
  const regionsOf = new Map<number, number[]>();
  await scan(base, 0, base.size, rarityBits, signal, (landmark, end) => {
    const region = Math.floor(end / regionBytes);
    const known = regionsOf.get(landmark);
    if (known === undefined) regionsOf.set(landmark, [region]);
    else if (known.length <= maxSharing && known.at(-1) !== region) known.push(region);
  });
  const memory = new Uint8Array(new SharedArrayBuffer(maxBytes));
  const most = Math.max(1, Math.floor(maxBytes / regionBytes));

  return {
    stretchBytes: Math.max(regionBytes, Math.floor(maxBytes / 4 / regionBytes) * regionBytes),
    viewBytes: maxBytes,
    async load(position, length) {
      const votes = new Map<number, number>();
      const vote = (region: number, count: number) => votes.set(region, (votes.get(region) ?? 0) + count);
      await scan(output, position, length, rarityBits, signal, (landmark) => {
        const regions = regionsOf.get(landmark) ?? [];
        if (regions.length <= maxSharing) for (const region of regions) vote(region, 1);
      });
      for (let at = position; at < Math.min(position + length, base.size); at += regionBytes) {
        vote(Math.floor(at / regionBytes), 1);
      }
      const chosen = [...votes]
        .sort(([one, ones], [other, others]) => others - ones || one - other)
        .slice(0, most)
        .map(([region]) => region)
        .sort((one, other) => one - other);
      const parts: BaseView['parts'] = [];
      let filled = 0;
      for (const region of chosen) {
        const start = region * regionBytes;
        const partLength = Math.min(regionBytes, base.size - start, maxBytes - filled);
        await readInto(memory.subarray(filled, filled + partLength), base, start, signal);
        const last = parts.at(-1);
        if (last !== undefined && last.position + last.length === start) last.length += partLength;
        else parts.push({ at: filled, position: start, length: partLength });
        filled += partLength;
      }
      return { bytes: memory.subarray(0, filled), parts };
    },
  };
}

async function readInto(
  bytes: Uint8Array,
  reader: Reader,
  position: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (let at = 0; at < bytes.length; at += readBytes) {
    signal?.throwIfAborted();
    await reader.read(bytes.subarray(at, at + readBytes), position + at);
  }
}

async function scan(
  reader: Reader,
  position: number,
  length: number,
  rarityBits: number,
  signal: AbortSignal | undefined,
  found: (landmark: number, end: number) => void,
): Promise<void> {
  const scanner = createLandmarkScanner(rarityBits);
  const buffer = new Uint8Array(Math.min(readBytes, length));
  for (let at = 0; at < length; at += buffer.length) {
    signal?.throwIfAborted();
    const bytes = buffer.subarray(0, Math.min(buffer.length, length - at));
    await reader.read(bytes, position + at);
    scanner.scan(bytes, found);
  }
}
