/** The base as a segment reads it: mostly forward, a little at a time, so it is read ahead and the disk is asked seldom. */
import type { Reader } from './reader.ts';

export type BaseWindow = {
  /** Copies from what was read ahead. False: it is not all there, and `load` must come first. */
  copy(into: Uint8Array, at: number, length: number, position: number): boolean;
  load(position: number, length: number): Promise<void>;
};

/** After a jump little is read, since another may follow; where reading goes on, much. */
const jumpBytes = 16 * 1024;
const onwardBytes = 256 * 1024;

/** Holds at most `maxBytes`, the longest that one copy may be. */
export function createBaseWindow(base: Reader, maxBytes: number): BaseWindow {
  const buffer = new Uint8Array(maxBytes);
  let start = 0;
  let end = 0;

  return {
    copy(into, at, length, position) {
      if (position < start || position + length > end) return false;
      const from = position - start;
      // A call costs more than a few bytes do.
      if (length < 32)
        for (let offset = 0; offset < length; offset += 1) into[at + offset] = buffer[from + offset]!;
      else into.set(buffer.subarray(from, from + length), at);
      return true;
    },
    async load(position, length) {
      const onward = position >= start && position <= end + jumpBytes;
      const ahead = Math.min(onward ? onwardBytes : jumpBytes, maxBytes);
      const wanted = Math.min(Math.max(length, ahead), base.size - position);
      start = 0;
      end = 0;
      await base.read(buffer.subarray(0, wanted), position);
      start = position;
      end = position + wanted;
    },
  };
}
