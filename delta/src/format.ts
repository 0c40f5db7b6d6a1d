/** The numbers of the format, which README.md describes. */

/** ASCII of what a delta begins with. */
export const magic = 'IDHD';
export const formatVersion = 1;
export const headerBytes = 24;
/** What a delta ends with: the length of the index before it. */
export const trailerBytes = 4;

/** The contract's limit of a content: 1 TiB. */
export const maxSize = 2 ** 40;
/** A segment is this many bytes of output; the last one is shorter. Writers use 1 MiB. */
export const minSegmentLog = 16;
export const maxSegmentLog = 20;
export const defaultSegmentLog = 20;
export const maxIndexBytes = 16 * 2 ** 20;
/** The most copies in one segment: each may cost a seek. */
export const maxOperations = 65_536;

/** By the numbers of `iotdh.update.v1.Codec`. */
export const codecs = { none: 1, zstd: 2, brotli: 3 } as const;
export type DeltaCodec = keyof typeof codecs;

/** How a segment is held. */
export const kinds = { copy: 0, full: 1, sparse: 2 } as const;

/** The most bytes that the plain body of a sparse segment may have. */
export const maxBodyBytes = (segmentBytes: number): number => 2 * segmentBytes;

/** How many segments an output has. */
export const segmentCount = (outputSize: number, segmentBytes: number): number =>
  Math.ceil(outputSize / segmentBytes);
