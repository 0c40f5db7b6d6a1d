/**
 * One object as it arrives: frames in any order, from any carrier, again and again. A frame is written in place into a
 * preallocated file; when the last frame of a segment is there, the segment is read back and its digest compared; segments that
 * match are flushed to the disk, then recorded, and only then counted.
 */
import { createHash } from 'node:crypto';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { type BitSet, createBitSet } from './bit-set.ts';
import type { SegmentDigests } from './decode/segment-list.ts';
import {
  frameAt,
  frameCount,
  framesOfSegment,
  type Layout,
  segmentBytes,
  segmentCount,
  segmentsOfFrame,
} from './layout.ts';
import type { SegmentJournal } from './segment-journal.ts';

export type SpoolOptions = {
  /** The object's SHA-256 in lower-case hex: its name in the journal. */
  object: string;
  layout: Layout;
  /** SHA-256 of each segment, in order. */
  segmentDigests: SegmentDigests;
  /** The file that becomes the object. */
  path: string;
  journal: SegmentJournal;
  /** The segments that are to be had; the file has holes where the others would be. Default: all. */
  wanted?: BitSet;
};

/**
 * What became of a frame:
 * - `held`: written, but its segment is not complete yet;
 * - `verified`: it completed at least one segment, and all that it completed matched;
 * - `corrupt`: a segment that it completed did not match; the frames of that segment must be asked for again;
 * - `duplicate`: it was there already; `misplaced`, `wrong_length`: it is no frame of this object. Nothing was written.
 */
export type FrameOutcome =
  | { kind: 'held' | 'duplicate' | 'misplaced' | 'wrong_length' }
  | { kind: 'verified' }
  | { kind: 'corrupt'; segments: number[] };

export type Spool = {
  readonly layout: Layout;
  /** The frames that need not be asked for: held, or of segments only that are verified or not wanted. */
  readonly frames: BitSet;
  /** Bytes of segments that are verified and recorded. */
  readonly countedBytes: number;
  readonly complete: boolean;
  /** Whether the bytes of a segment are as they must be, recorded or not. */
  isVerified(segment: number): boolean;
  /** One at a time. Throws when the disk is full or broken; the frame then counts as never received. */
  accept(offset: number, data: Uint8Array): Promise<FrameOutcome>;
  /**
   * Flushes and records what is verified by now, while further frames may be accepted; one at a time. Call it now and then,
   * and at the end. Throws like `accept`, and may be called again.
   */
  commit(): Promise<void>;
  close(): Promise<void>;
};

const readBackBytes = 256 * 1024;

/**
 * Opens an object's spool and goes on where the journal left off. A record of another layout, as after a new offer with other
 * frames, keeps its segments if they are cut alike, for segments do not depend on frames.
 */
export async function openSpool(options: SpoolOptions): Promise<Spool> {
  const { object, layout, segmentDigests, path, journal, wanted } = options;
  if (segmentDigests.length !== segmentCount(layout)) {
    throw new RangeError(
      `object ${object} has ${segmentCount(layout)} segments, not ${segmentDigests.length}`,
    );
  }
  let record = journal.read(object);
  if (record !== undefined && (await stat(path).catch(() => null))?.size !== layout.size) {
    // The file that it tells of is gone. Forgotten before there is another one, for which it would be taken after a crash.
    journal.forget(object);
    record = undefined;
  }
  const handle = await openPreallocated(path, layout.size);
  const isAlike = record?.segmentSize === layout.segmentSize && record.size === layout.size;
  const verified = createBitSet(segmentCount(layout), isAlike ? record?.verified : undefined);
  const frames = createBitSet(frameCount(layout));
  const isLacking = (segment: number) => !verified.has(segment) && wanted?.has(segment) !== false;
  for (let frame = 0; frame < frames.size; frame += 1) {
    if (!someLacking(layout, isLacking, frame)) frames.add(frame);
  }
  const counted = createBitSet(verified.size, verified.toBytes());
  let countedBytes = 0;
  for (let segment = 0; segment < counted.size; segment += 1) {
    if (counted.has(segment)) countedBytes += segmentBytes(layout, segment).length;
  }
  const buffer = Buffer.allocUnsafe(Math.min(readBackBytes, layout.segmentSize));

  async function matches(segment: number): Promise<boolean> {
    const hash = createHash('sha256');
    let { offset, length } = segmentBytes(layout, segment);
    while (length > 0) {
      const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, length), offset);
      if (bytesRead === 0) return false;
      hash.update(buffer.subarray(0, bytesRead));
      offset += bytesRead;
      length -= bytesRead;
    }
    return hash.digest().equals(segmentDigests.at(segment)!);
  }

  /** Verifies the segments that a frame has completed and answers those that did not match. */
  async function verifyAround(frame: number): Promise<{ completed: number; corrupt: number[] }> {
    const around = segmentsOfFrame(layout, frame);
    const corrupt: number[] = [];
    let completed = 0;
    for (let segment = around.first; segment < around.first + around.count; segment += 1) {
      if (!isLacking(segment) || !allPresent(frames, framesOfSegment(layout, segment))) continue;
      completed += 1;
      if (await matches(segment)) verified.add(segment);
      else corrupt.push(segment);
    }
    // A frame at the edge of a segment that matched is known to be good there, but must come again for the other one.
    for (const segment of corrupt) dropFrames(framesOfSegment(layout, segment));
    return { completed, corrupt };
  }

  function dropFrames({ first, count }: { first: number; count: number }): void {
    for (let frame = first; frame < first + count; frame += 1) frames.remove(frame);
  }

  return {
    layout,
    frames,
    get countedBytes() {
      return countedBytes;
    },
    isVerified: verified.has,
    get complete() {
      return wanted === undefined ? counted.count === counted.size : wanted.within(counted);
    },

    async accept(offset, data) {
      const frame = frameAt(layout, offset, data.length);
      if (typeof frame === 'string') return { kind: frame };
      if (frames.has(frame)) return { kind: 'duplicate' };
      await writeUnverified(handle, layout, verified, offset, data);
      frames.add(frame);
      const { completed, corrupt } = await verifyAround(frame);
      if (corrupt.length > 0) return { kind: 'corrupt', segments: corrupt };
      return { kind: completed > 0 ? 'verified' : 'held' };
    },

    async commit() {
      if (verified.count === counted.count) return;
      // What is verified while the disk flushes may not be covered by the flush: the next commit records it.
      const flushed = createBitSet(verified.size, verified.toBytes());
      // The order that survives a power cut: the bytes, then the record of them, then the count.
      await handle.datasync();
      const { frameSize, segmentSize, size } = layout;
      journal.write(object, { frameSize, segmentSize, size, verified: flushed.toBytes() });
      for (let segment = 0; segment < flushed.size; segment += 1) {
        if (flushed.has(segment) && counted.add(segment))
          countedBytes += segmentBytes(layout, segment).length;
      }
    },

    close: () => handle.close(),
  };
}

/** Writes the parts of a frame that lie in unverified segments: bytes that have been verified are never touched again. */
async function writeUnverified(
  handle: FileHandle,
  layout: Layout,
  verified: BitSet,
  offset: number,
  data: Uint8Array,
): Promise<void> {
  const end = offset + data.length;
  for (let from = offset; from < end; ) {
    const segment = Math.floor(from / layout.segmentSize);
    const to = Math.min((segment + 1) * layout.segmentSize, end);
    if (!verified.has(segment)) await writeFully(handle, data.subarray(from - offset, to - offset), from);
    from = to;
  }
}

async function writeFully(handle: FileHandle, data: Uint8Array, position: number): Promise<void> {
  for (let written = 0; written < data.length; ) {
    const { bytesWritten } = await handle.write(data, written, data.length - written, position + written);
    written += bytesWritten;
  }
}

/** The file at its full size, so that frames can land anywhere in it. Whether the disk has the room is for preflight to see. */
async function openPreallocated(path: string, size: number): Promise<FileHandle> {
  const existing = await open(path, 'r+').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  const handle = existing ?? (await open(path, 'wx+', 0o600));
  try {
    if ((await handle.stat()).size !== size) await handle.truncate(size);
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

function allPresent(frames: BitSet, { first, count }: { first: number; count: number }): boolean {
  for (let frame = first; frame < first + count; frame += 1) if (!frames.has(frame)) return false;
  return true;
}

function someLacking(layout: Layout, isLacking: (segment: number) => boolean, frame: number): boolean {
  const { first, count } = segmentsOfFrame(layout, frame);
  for (let segment = first; segment < first + count; segment += 1) if (isLacking(segment)) return true;
  return false;
}
