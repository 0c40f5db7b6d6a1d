/** The cloud's side of a transfer, as stateless as the real one: each request is answered from the blobs and forgotten. */
import { create } from '@bufbuild/protobuf';
import { type Frame, type FrameRequest, FrameSchema } from '@iotdh/proto/bus/v1';
import { type Blobs, createRandom, hex } from './pack.ts';

/** Answers at most as many frames as the request's window names. */
export function answer(blobs: Blobs, request: FrameRequest): Frame[] {
  const blob = blobs.get(hex(request.objectDigest));
  if (blob === undefined) throw new Error(`object ${hex(request.objectDigest)} is not stored`);
  return framesOf(request)
    .slice(0, request.window)
    .map((frame) => {
      const offset = frame * request.frameSize;
      return create(FrameSchema, {
        transferId: request.transferId,
        objectDigest: request.objectDigest,
        offset: BigInt(offset),
        // Memory of its own: who takes a frame may give it back.
        data: Uint8Array.from(blob.subarray(offset, offset + request.frameSize)),
      });
    });
}

/** The numbers of the frames that a request names. */
export function framesOf({ missing }: FrameRequest): number[] {
  if (missing.case !== 'ranges') throw new Error('the agent asks by ranges');
  return missing.value.ranges.flatMap(({ first, count }) =>
    Array.from({ length: count }, (_, index) => Number(first) + index),
  );
}

export type Misbehaviour = (frames: Frame[]) => Frame[];

/** Drops, doubles, reorders, damages, cuts, misplaces and mislabels frames, as a seed decides; most of them it leaves alone. */
export function misbehaviour(seed: number): Misbehaviour {
  const random = createRandom(seed);
  return (frames) =>
    frames
      .flatMap((frame) => {
        const copy = { ...frame, data: Uint8Array.from(frame.data) };
        switch (Math.floor(random() * 40)) {
          case 0:
            return [];
          case 1:
            return [frame, copy];
          case 2:
            copy.data[0] = (copy.data[0] ?? 0) ^ 1;
            return [copy];
          case 3:
            return [{ ...frame, data: frame.data.subarray(1) }];
          case 4:
            return [{ ...frame, transferId: '11111111-2222-4333-8444-555555555555' }];
          case 5:
            return [{ ...frame, offset: frame.offset + 1n }];
          default:
            return [frame];
        }
      })
      .sort(() => random() - 0.6);
}
