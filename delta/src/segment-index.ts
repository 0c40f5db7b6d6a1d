/** The index: how each segment is held and where its body is. Read piece by piece, so that its length costs no memory. */
import { DeltaError } from './delta-error.ts';
import { headerBytes, kinds, maxBodyBytes, segmentCount } from './format.ts';
import type { Layout } from './header.ts';
import type { Reader } from './reader.ts';
import { type Cursor, maxVarintBytes, readVarint, unzigzag } from './varint.ts';

export type Segment = {
  index: number;
  /** Where its output is, and how much. */
  position: number;
  length: number;
} & (
  | { kind: 'copy'; basePosition: number }
  | {
      kind: 'full' | 'sparse';
      /** Where its body is in the delta, and how many bytes are stored there. */
      bodyPosition: number;
      storedBytes: number;
      /** How many bytes the body has once it is decompressed. As many as are stored: it is not compressed. */
      plainBytes: number;
    }
);

const pieceBytes = 4_096;
/** An entry is at most two numbers. */
const maxEntryBytes = 2 * maxVarintBytes;

/** Every segment in order. Throws `DeltaError` for an entry that cannot be, and at the end if the sizes do not add up. */
export async function* readIndex(delta: Reader, layout: Layout): AsyncGenerator<Segment, void, undefined> {
  const { baseSize, outputSize, segmentBytes, codec, indexPosition, indexEnd } = layout;
  const buffer = new Uint8Array(pieceBytes);
  const cursor: Cursor = { bytes: buffer, at: 0, end: 0 };
  let nextPiece = indexPosition;
  let bodyPosition = headerBytes;
  let expectedBase = 0;

  async function fill(): Promise<void> {
    if (cursor.end - cursor.at >= maxEntryBytes || nextPiece === indexEnd) return;
    buffer.copyWithin(0, cursor.at, cursor.end);
    const kept = cursor.end - cursor.at;
    const added = Math.min(pieceBytes - kept, indexEnd - nextPiece);
    await delta.read(buffer.subarray(kept, kept + added), nextPiece);
    nextPiece += added;
    cursor.at = 0;
    cursor.end = kept + added;
  }

  const count = segmentCount(outputSize, segmentBytes);
  for (let index = 0; index < count; index += 1) {
    await fill();
    const next = (): number => {
      const value = readVarint(cursor);
      if (value < 0)
        throw new DeltaError('malformed', `segment ${index}: its entry in the index is no number`);
      return value;
    };
    const position = index * segmentBytes;
    const length = Math.min(segmentBytes, outputSize - position);
    const first = next();
    const kind = first % 4;
    const storedBytes = Math.floor(first / 4);
    if (kind === kinds.copy) {
      if (storedBytes !== 0) throw new DeltaError('malformed', `segment ${index}: a copy with a body`);
      const basePosition = expectedBase + unzigzag(next());
      if (basePosition < 0 || basePosition + length > baseSize) {
        throw new DeltaError(
          'outside-base',
          `segment ${index}: copies ${length} bytes at ${basePosition} of a base of ${baseSize}`,
        );
      }
      expectedBase = basePosition + length;
      yield { index, position, length, kind: 'copy', basePosition };
      continue;
    }
    if (kind !== kinds.full && kind !== kinds.sparse) {
      throw new DeltaError('malformed', `segment ${index}: there is no kind ${kind}`);
    }
    const plainBytes = kind === kinds.full ? length : next();
    if (plainBytes > maxBodyBytes(segmentBytes)) {
      throw new DeltaError('too-large', `segment ${index}: a body of ${plainBytes} bytes`);
    }
    if (storedBytes > plainBytes || storedBytes === 0 || (codec === 'none' && storedBytes !== plainBytes)) {
      throw new DeltaError(
        'malformed',
        `segment ${index}: ${storedBytes} bytes are stored for a body of ${plainBytes}`,
      );
    }
    if (bodyPosition + storedBytes > indexPosition) {
      throw new DeltaError('truncated', `segment ${index}: its body would end after byte ${indexPosition}`);
    }
    yield {
      index,
      position,
      length,
      kind: kind === kinds.full ? 'full' : 'sparse',
      bodyPosition,
      storedBytes,
      plainBytes,
    };
    bodyPosition += storedBytes;
    expectedBase += length;
  }
  if (cursor.at !== cursor.end || nextPiece !== indexEnd) {
    throw new DeltaError('malformed', 'the index goes on after its last segment');
  }
  if (bodyPosition !== indexPosition) {
    throw new DeltaError('malformed', `${indexPosition - bodyPosition} bytes follow the last segment`);
  }
}
