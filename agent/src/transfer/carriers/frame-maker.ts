/** Bytes that come in pieces of any length become the frames of a request, one after the other. */
import { create } from '@bufbuild/protobuf';
import { type Frame, type FrameRequest, FrameSchema } from '@iotdh/proto/bus/v1';

export type FrameMaker = {
  /** Takes the next bytes of the range. Resolves when the next ones may come. */
  add(piece: Uint8Array): Promise<void>;
};

/** Frames of a range that begins at `offset` and has `length` bytes: the last one may be shorter. */
export function createFrameMaker(
  { transferId, objectDigest, frameSize }: FrameRequest,
  { offset, length }: { offset: number; length: number },
  deliver: (frame: Frame) => Promise<void>,
): FrameMaker {
  let at = offset;
  const end = offset + length;
  /** Each frame has its own, for it is kept until it is on disk. */
  let data = new Uint8Array(Math.min(frameSize, end - at));
  let filled = 0;
  return {
    async add(piece) {
      for (let rest = piece; rest.length > 0; ) {
        const part = rest.subarray(0, data.length - filled);
        data.set(part, filled);
        filled += part.length;
        rest = rest.subarray(part.length);
        if (filled < data.length) return;
        await deliver(create(FrameSchema, { transferId, objectDigest, offset: BigInt(at), data }));
        at += filled;
        filled = 0;
        data = new Uint8Array(Math.min(frameSize, end - at));
      }
    },
  };
}

/** The bytes that a request asks for, as ranges; `size` is how long its object is. */
export function byteRanges(
  { missing, frameSize }: FrameRequest,
  size: number,
): { offset: number; length: number }[] {
  if (missing.case !== 'ranges') return [];
  return missing.value.ranges.map(({ first, count }) => {
    const offset = Number(first) * frameSize;
    return { offset, length: Math.min(count * frameSize, size - offset) };
  });
}
