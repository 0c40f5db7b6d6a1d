/** Writes one segment: decides how it is held, and makes and compresses its body. */
import { compress } from './codec.ts';
import { type DeltaCodec, kinds, maxOperations } from './format.ts';
import { writeVarint, zigzag } from './varint.ts';

/** Bytes of the output that are copied: where in the segment, where in `base` and where in the whole base, how many. */
export type Copy = { at: number; from: number; basePosition: number; length: number };

export type EncodedSegment =
  | { kind: 'copy'; basePosition: number }
  | { kind: 'full' | 'sparse'; stored: Uint8Array; plainBytes: number };

export type SegmentInput = {
  output: Uint8Array;
  /** Where it is in the whole output. */
  position: number;
  base: Uint8Array;
  /** In order and disjoint. */
  copies: readonly Copy[];
};

export type SegmentEncoder = (segment: SegmentInput) => EncodedSegment;

/** Of both codecs. It tells for little what a whole segment would come to, which costs as much to try as the sparse one did. */
const quickestLevel = 1;
/** The best level seldom makes less than this of what the quickest makes. */
const leastShrinking = 0.7;

/** Memory for segments of up to `segmentBytes` is made once and used again. */
export function createSegmentEncoder(segmentBytes: number, codec: DeltaCodec, level: number): SegmentEncoder {
  const operations = new Uint8Array(maxOperations * 18);
  const runs = new Uint8Array(segmentBytes + 64);
  const differences = new Uint8Array(segmentBytes);
  const literals = new Uint8Array(segmentBytes);
  const body = new Uint8Array(2 * segmentBytes);

  /** How many bytes of `body` it takes, or -1: it has no room. */
  function writeBody({ output, position, base, copies }: SegmentInput): number {
    if (copies.length >= maxOperations) return -1;
    let [operationsEnd, runsEnd, differencesEnd, literalsEnd] = [0, 0, 0, 0];
    let unchanged = 0;
    let at = 0;
    let expected = position;
    for (const copy of copies) {
      const literal = copy.at - at;
      literals.set(output.subarray(at, copy.at), literalsEnd);
      literalsEnd += literal;
      operationsEnd = writeVarint(operations, operationsEnd, literal);
      operationsEnd = writeVarint(operations, operationsEnd, copy.length);
      operationsEnd = writeVarint(operations, operationsEnd, zigzag(copy.basePosition - expected));
      expected = copy.basePosition + copy.length;
      at = copy.at + copy.length;
      const shift = copy.from - copy.at;
      for (let place = copy.at; place < at; ) {
        if (output[place] === base[place + shift]) {
          unchanged += 1;
          place += 1;
          continue;
        }
        const start = place;
        while (place < at && output[place] !== base[place + shift]) {
          differences[differencesEnd] = output[place]! - base[place + shift]!;
          differencesEnd += 1;
          place += 1;
        }
        runsEnd = writeVarint(runs, runsEnd, unchanged);
        runsEnd = writeVarint(runs, runsEnd, place - start);
        if (runsEnd > segmentBytes) return -1;
        unchanged = 0;
      }
    }
    if (at < output.length) {
      literals.set(output.subarray(at), literalsEnd);
      literalsEnd += output.length - at;
      operationsEnd = writeVarint(operations, operationsEnd, output.length - at);
      operationsEnd = writeVarint(operations, operationsEnd, 0);
    }
    if (operationsEnd + runsEnd + differencesEnd + literalsEnd + 16 > 2 * output.length) return -1;
    let end = 0;
    for (const length of [operationsEnd, runsEnd, differencesEnd]) end = writeVarint(body, end, length);
    for (const stream of [
      operations.subarray(0, operationsEnd),
      runs.subarray(0, runsEnd),
      differences.subarray(0, differencesEnd),
      literals.subarray(0, literalsEnd),
    ]) {
      body.set(stream, end);
      end += stream.length;
    }
    return end;
  }

  function pack(kind: 'full' | 'sparse', plain: Uint8Array): EncodedSegment & { stored: Uint8Array } {
    const compressed = compress(plain, codec, level);
    // A copy, since what is here is a view of memory that is larger or used again.
    const stored = new Uint8Array(compressed.length < plain.length ? compressed : plain);
    return { kind, stored, plainBytes: plain.length };
  }

  return (segment) => {
    const { output, base, copies } = segment;
    const [only] = copies;
    if (only !== undefined && only.length === output.length) {
      if (Buffer.compare(output, base.subarray(only.from, only.from + only.length)) === 0) {
        return { kind: 'copy', basePosition: only.basePosition };
      }
    }
    const plainBytes = only === undefined ? -1 : writeBody(segment);
    if (plainBytes < 0) return pack('full', output);
    const sparse = pack('sparse', body.subarray(0, plainBytes));
    if (sparse.stored.length < output.length / 4) return sparse;
    if (sparse.stored.length < leastShrinking * compress(output, codec, quickestLevel).length) return sparse;
    const full = pack('full', output);
    return full.stored.length <= sparse.stored.length ? full : sparse;
  };
}

/** The entry of a segment in the index. `expectedBase` is where the last segment that is a copy, carried on, would read. */
export function writeEntry(into: Uint8Array, segment: EncodedSegment, expectedBase: number): number {
  if (segment.kind === 'copy') {
    into[0] = kinds.copy;
    return writeVarint(into, 1, zigzag(segment.basePosition - expectedBase));
  }
  const at = writeVarint(into, 0, segment.stored.length * 4 + kinds[segment.kind]);
  return segment.kind === 'full' ? at : writeVarint(into, at, segment.plainBytes);
}
