/**
 * How an object is cut: into frames, which travel, and into segments, which are verified. Both begin at multiples of their
 * size and the last of each may be shorter; neither divides the other, so a frame may belong to two segments or more.
 */
import type { Range } from './bit-set.ts';

/** An object as its manifest describes it. Sizes in bytes. */
export type Layout = { size: number; frameSize: number; segmentSize: number };

export function frameCount({ size, frameSize }: Layout): number {
  return Math.ceil(size / frameSize);
}

export function segmentCount({ size, segmentSize }: Layout): number {
  return Math.ceil(size / segmentSize);
}

/** Where a segment lies in the object. */
export function segmentBytes(
  { size, segmentSize }: Layout,
  segment: number,
): { offset: number; length: number } {
  const offset = segment * segmentSize;
  return { offset, length: Math.min(segmentSize, size - offset) };
}

/** The frames that hold at least one byte of a segment. */
export function framesOfSegment(layout: Layout, segment: number): Range {
  const { offset, length } = segmentBytes(layout, segment);
  const first = Math.floor(offset / layout.frameSize);
  return { first, count: Math.floor((offset + length - 1) / layout.frameSize) - first + 1 };
}

/** The segments that at least one byte of a frame belongs to. */
export function segmentsOfFrame({ size, frameSize, segmentSize }: Layout, frame: number): Range {
  const first = Math.floor((frame * frameSize) / segmentSize);
  const lastByte = Math.min((frame + 1) * frameSize, size) - 1;
  return { first, count: Math.floor(lastByte / segmentSize) - first + 1 };
}

/** What is wrong with a frame that claims these bytes, or the frame's number. */
export function frameAt(
  layout: Layout,
  offset: number,
  length: number,
): number | 'misplaced' | 'wrong_length' {
  if (
    !Number.isSafeInteger(offset) ||
    offset < 0 ||
    offset % layout.frameSize !== 0 ||
    offset >= layout.size
  ) {
    return 'misplaced';
  }
  const due = Math.min(layout.frameSize, layout.size - offset);
  return length === due ? offset / layout.frameSize : 'wrong_length';
}
