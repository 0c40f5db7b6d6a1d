/** What a delta begins and ends with: what it is, and the sizes by which everything else is bounded. */
import { DeltaError } from './delta-error.ts';
import {
  codecs,
  type DeltaCodec,
  formatVersion,
  headerBytes,
  magic,
  maxIndexBytes,
  maxSegmentLog,
  maxSize,
  minSegmentLog,
  trailerBytes,
} from './format.ts';
import type { Reader } from './reader.ts';

export type Header = {
  codec: DeltaCodec;
  segmentBytes: number;
  baseSize: number;
  outputSize: number;
};

/** The header, and where the index is. */
export type Layout = Header & { indexPosition: number; indexEnd: number };

export function encodeHeader({ codec, segmentBytes, baseSize, outputSize }: Header): Uint8Array {
  const bytes = Buffer.alloc(headerBytes);
  bytes.write(magic, 'latin1');
  bytes[4] = formatVersion;
  bytes[5] = codecs[codec];
  bytes[6] = Math.log2(segmentBytes);
  bytes.writeBigUInt64LE(BigInt(baseSize), 8);
  bytes.writeBigUInt64LE(BigInt(outputSize), 16);
  return bytes;
}

export function encodeTrailer(indexBytes: number): Uint8Array {
  const bytes = Buffer.alloc(trailerBytes);
  bytes.writeUInt32LE(indexBytes);
  return bytes;
}

/** Throws `DeltaError` for what is no delta that this version applies. */
export async function readLayout(delta: Reader): Promise<Layout> {
  if (delta.size < headerBytes + trailerBytes) {
    throw new DeltaError('truncated', `a delta of ${delta.size} bytes is shorter than any`);
  }
  const bytes = Buffer.alloc(headerBytes);
  await delta.read(bytes, 0);
  if (bytes.toString('latin1', 0, 4) !== magic) {
    throw new DeltaError('not-a-delta', `it begins with ${bytes.toString('hex', 0, 4)}`);
  }
  if (bytes[4] !== formatVersion) throw new DeltaError('unsupported', `version ${bytes[4]} of the format`);
  const codec = (Object.keys(codecs) as DeltaCodec[]).find((name) => codecs[name] === bytes[5]);
  if (codec === undefined) throw new DeltaError('unsupported', `codec ${bytes[5]}`);
  const segmentLog = bytes[6]!;
  if (segmentLog < minSegmentLog || segmentLog > maxSegmentLog) {
    throw new DeltaError('unsupported', `segments of 2^${segmentLog} bytes`);
  }
  if (bytes[7] !== 0) throw new DeltaError('unsupported', `the reserved byte is ${bytes[7]}`);
  const sizeAt = (offset: number, what: string): number => {
    const size = bytes.readBigUInt64LE(offset);
    if (size > BigInt(maxSize)) throw new DeltaError('too-large', `${what} of ${size} bytes`);
    return Number(size);
  };
  const header = {
    codec,
    segmentBytes: 2 ** segmentLog,
    baseSize: sizeAt(8, 'a base'),
    outputSize: sizeAt(16, 'an output'),
  };
  const trailer = Buffer.alloc(trailerBytes);
  const indexEnd = delta.size - trailerBytes;
  await delta.read(trailer, indexEnd);
  const indexBytes = trailer.readUInt32LE();
  if (indexBytes > maxIndexBytes) throw new DeltaError('too-large', `an index of ${indexBytes} bytes`);
  const indexPosition = indexEnd - indexBytes;
  if (indexPosition < headerBytes) {
    throw new DeltaError('truncated', `an index of ${indexBytes} bytes is not in a delta of ${delta.size}`);
  }
  return { ...header, indexPosition, indexEnd };
}
