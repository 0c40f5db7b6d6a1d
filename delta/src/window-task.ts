/** What a worker does with one window of the output: finds copies, cuts them into segments, encodes those. */
import { createSegmentEncoder, type EncodedSegment, type SegmentEncoder } from './encode-segment.ts';
import type { DeltaCodec } from './format.ts';
import type { IndexShape } from './match/block-index.ts';
import { type Copies, findCopies } from './match/find-copies.ts';

/** What the windows of one delta share. */
export type Job = {
  base: Uint8Array;
  table: Int32Array;
  shape: IndexShape;
  segmentBytes: number;
  codec: DeltaCodec;
  level: number;
};

/** A function that encodes the window at `position`, segment by segment. */
export function createWindowTask(job: Job): (output: Uint8Array, position: number) => EncodedSegment[] {
  const { base, table, shape, segmentBytes, codec, level } = job;
  const encode: SegmentEncoder = createSegmentEncoder(segmentBytes, codec, level);
  return (output, position) => {
    const found = findCopies(base, table, shape, output, position);
    const segments: EncodedSegment[] = [];
    const next = createCutter(found);
    for (let start = 0; start < output.length; start += segmentBytes) {
      const segment = output.subarray(start, start + segmentBytes);
      segments.push(
        encode({
          output: segment,
          position: position + start,
          base,
          copies: next(start, start + segment.length),
        }),
      );
    }
    return segments;
  };
}

/** The copies of one stretch after another, those that cross its ends cut there. */
function createCutter({ triples, count }: Copies) {
  let first = 0;
  return (start: number, end: number) => {
    const copies = [];
    for (let index = first; index < count; index += 1) {
      const at = triples[3 * index]!;
      const from = triples[3 * index + 1]!;
      const copyEnd = at + triples[3 * index + 2]!;
      if (at >= end) break;
      const [partStart, partEnd] = [Math.max(at, start), Math.min(copyEnd, end)];
      const partFrom = from + partStart - at;
      copies.push({
        at: partStart - start,
        from: partFrom,
        basePosition: partFrom,
        length: partEnd - partStart,
      });
      if (copyEnd > end) break;
      first = index + 1;
    }
    return copies;
  };
}
