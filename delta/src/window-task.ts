/** What a worker does with one window of the output: finds copies, cuts them into segments, encodes those. */
import type { BaseView } from './base-view.ts';
import {
  type Copy,
  createSegmentEncoder,
  type EncodedSegment,
  type SegmentEncoder,
} from './encode-segment.ts';
import type { DeltaCodec } from './format.ts';
import type { IndexShape } from './match/block-index.ts';
import { type Copies, findCopies } from './match/find-copies.ts';

/** What the windows of one stretch of the output share. */
export type Job = {
  view: BaseView;
  table: Int32Array;
  shape: IndexShape;
  segmentBytes: number;
  codec: DeltaCodec;
  level: number;
};

/** A function that encodes the window at `position`, segment by segment. */
export function createWindowTask(job: Job): (output: Uint8Array, position: number) => EncodedSegment[] {
  const { view, table, shape, segmentBytes, codec, level } = job;
  const base = view.bytes;
  const encode: SegmentEncoder = createSegmentEncoder(segmentBytes, codec, level);
  return (output, position) => {
    const found = findCopies(base, table, shape, output, viewPosition(view, position));
    const segments: EncodedSegment[] = [];
    const next = createCutter(found, view);
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

/** Where the view has a position of the base, or where it would be. */
function viewPosition({ bytes, parts }: BaseView, position: number): number {
  const part = parts.find(({ position: start, length }) => position < start + length);
  return part === undefined ? bytes.length : part.at + Math.max(0, position - part.position);
}

/** The copies of one segment after another; those that cross its ends, or the ends of the view's parts, are cut there. */
function createCutter({ triples, count }: Copies, { parts }: BaseView) {
  let first = 0;
  return (start: number, end: number): Copy[] => {
    const copies: Copy[] = [];
    for (let index = first; index < count; index += 1) {
      const at = triples[3 * index]!;
      const from = triples[3 * index + 1]!;
      const copyEnd = at + triples[3 * index + 2]!;
      if (at >= end) break;
      const cutEnd = Math.min(copyEnd, end);
      for (let place = Math.max(at, start); place < cutEnd; ) {
        const viewAt = from + place - at;
        const part = parts[partAt(parts, viewAt)]!;
        const length = Math.min(cutEnd - place, part.at + part.length - viewAt);
        copies.push({
          at: place - start,
          from: viewAt,
          basePosition: part.position + viewAt - part.at,
          length,
        });
        place += length;
      }
      if (copyEnd > end) break;
      first = index + 1;
    }
    return copies;
  };
}

/** The last part that begins at or before `at`. */
function partAt(parts: BaseView['parts'], at: number): number {
  let [low, high] = [0, parts.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (parts[middle]!.at <= at) low = middle;
    else high = middle - 1;
  }
  return low;
}
