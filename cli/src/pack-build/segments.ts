/** Cuts an object into segments, whose digests the device checks as they land. */
import { createHash } from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import { maxSegments } from '@iotdh/proto/objects';
import { SegmentListSchema } from '@iotdh/proto/update/v1';

const mebibyte = 1024 * 1024;
/** The contract's limit of a segment. */
const maxSegmentBytes = 16 * mebibyte;

/** 1 MiB, and more only where that would be too many. */
export function segmentSizeFor(maxObjectBytes: number): number {
  let size = mebibyte;
  while (maxObjectBytes / size > maxSegments && size < maxSegmentBytes) size *= 2;
  return size;
}

export type Segments = {
  add(bytes: Uint8Array): void;
  /** SHA-256 of each segment and of the whole; once, at the end. */
  end(): { digests: Uint8Array[]; digest: Uint8Array; bytes: number };
};

export function createSegments(segmentSize: number): Segments {
  const whole = createHash('sha256');
  const digests: Uint8Array[] = [];
  let segment = createHash('sha256');
  let filled = 0;
  let bytes = 0;
  const close = () => {
    digests.push(segment.digest());
    segment = createHash('sha256');
    filled = 0;
  };
  return {
    add(piece) {
      whole.update(piece);
      bytes += piece.length;
      for (let rest = piece; rest.length > 0; ) {
        const part = rest.subarray(0, segmentSize - filled);
        segment.update(part);
        filled += part.length;
        rest = rest.subarray(part.length);
        if (filled === segmentSize) close();
      }
    },
    end() {
      if (filled > 0) close();
      return { digests, digest: whole.digest(), bytes };
    },
  };
}

/** The encoded list, and its digest: the object that holds it. */
export function segmentListObject(digests: readonly Uint8Array[]): { bytes: Uint8Array; digest: Uint8Array } {
  const bytes = toBinary(SegmentListSchema, create(SegmentListSchema, { digests: [...digests] }));
  return { bytes, digest: createHash('sha256').update(bytes).digest() };
}
