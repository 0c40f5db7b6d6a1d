/** The golden vectors: bases, deltas and outputs that an applier in any language must agree with, and deltas that it must refuse. */
import { brotliCompressSync, constants, zstdCompressSync } from 'node:zlib';
import type { DeltaReason } from '../delta-error.ts';
import {
  type CraftedDelta,
  craftDelta,
  entries,
  sequence,
  sparseBody,
  sparseDelta,
} from './crafted-delta.ts';
import { sampleBytes } from './sample-bytes.ts';

export type Vector = { name: string; base: Buffer; delta: Buffer } & (
  | { output: Buffer }
  | { reason: DeltaReason }
);

const sentence = Buffer.from('The quick brown fox jumps over the lazy dog.');
const copyFive = { operations: [[0, 5, 0]] as [number, number, number][] };

/** A Zstandard frame of one block that repeats a byte: small, and decoded in a few lines of any language. */
function repeatedFrame(byte: number, length: number): Buffer {
  const frame = Buffer.alloc(13);
  frame.writeUInt32LE(0xfd2f_b528, 0);
  // A single segment, its size in four bytes.
  frame[4] = 0xa0;
  frame.writeUInt32LE(length, 5);
  frame.writeUIntLE((length << 3) | 3, 9, 3);
  frame[12] = byte;
  return frame;
}

/** One that needs a window of 2^`windowLog` bytes. */
function windowedFrame(byte: number, length: number, windowLog: number): Buffer {
  const frame = Buffer.alloc(10);
  frame.writeUInt32LE(0xfd2f_b528, 0);
  frame[5] = (windowLog - 10) << 3;
  frame.writeUIntLE((length << 3) | 3, 6, 3);
  frame[9] = byte;
  return frame;
}

function valid(name: string, base: Buffer, output: Buffer, delta: Buffer): Vector {
  return { name, base, delta, output };
}

function malformed(name: string, reason: DeltaReason, delta: Buffer, base = sentence): Vector {
  return { name, base, delta, reason };
}

const onSentence = (parts: Partial<CraftedDelta>): Buffer =>
  craftDelta({ baseSize: sentence.length, outputSize: 5, index: entries.copy(0), ...parts });

const compressed = (codec: 'zstd' | 'brotli', body: Buffer, plainBytes: number): Buffer =>
  onSentence({ codec, outputSize: plainBytes, bodies: body, index: entries.full(body.length) });

/** Where each copy is expected: after a copy where that ended, after any other segment as much further on as that is long. */
function copiesWhereExpected(): Vector {
  const base = Buffer.from(Array.from({ length: 23_400 }, (_, n) => String(n).padStart(6, '0')).join(''));
  const segment = 65_536;
  const moved = sparseBody({ operations: [[0, segment, 100]] });
  const fromTheBeginning = sparseBody({ operations: [[0, segment, -4 * segment]] });
  const delta = craftDelta({
    baseSize: base.length,
    outputSize: 5 * segment + 10,
    bodies: Buffer.concat([moved, fromTheBeginning]),
    index: Buffer.concat([
      entries.sparse(moved.length),
      entries.copy(0),
      entries.copy(7 - 2 * segment),
      entries.copy(0),
      entries.sparse(fromTheBeginning.length),
      entries.copy(50 - (7 + 3 * segment)),
    ]),
  });
  const places = [100, segment, 7, 7 + segment, 0];
  const output = [...places.map((place) => base.subarray(place, place + segment)), base.subarray(50, 60)];
  return valid('copies-where-expected', base, Buffer.concat(output), delta);
}

export function makeVectors(): Vector[] {
  const longer = sampleBytes(70_000, 1);
  const text = Buffer.from('tick tock '.repeat(300));
  const mixed = Buffer.concat([
    longer.subarray(4_000, 69_536),
    Buffer.alloc(3_000, 'z'),
    longer.subarray(0, 10),
  ]);
  const secondBody = sparseBody({
    operations: [
      [3_000, 0],
      [0, 10, -65_536],
    ],
    literals: Buffer.alloc(3_000, 'z'),
  });
  const sparse = sparseBody({
    operations: [
      [text.length, 4, 4],
      [0, 8, -8],
    ],
    literals: text,
  });
  const sparseText = Buffer.concat([text, sentence.subarray(4, 8), sentence.subarray(0, 8)]);
  const compressedSparse = (codec: 'zstd' | 'brotli', stored: Buffer): Buffer =>
    onSentence({
      ...{ codec, outputSize: sparseText.length, bodies: stored },
      index: entries.sparse(stored.length, sparse.length),
    });
  const withChecksum = zstdCompressSync(text, { params: { [constants.ZSTD_c_checksumFlag]: 1 } });
  const wrongChecksum = Buffer.from(withChecksum);
  wrongChecksum[wrongChecksum.length - 1]! ^= 1;
  const skippableFrame = Buffer.from('502a4d180400000073616c74', 'hex');
  const ofWideWindow = brotliCompressSync(text, { params: { [constants.BROTLI_PARAM_LGWIN]: 24 } });
  return [
    valid('empty-output', sentence, Buffer.alloc(0), onSentence({ outputSize: 0, index: Buffer.alloc(0) })),
    valid(
      'empty-base',
      Buffer.alloc(0),
      sentence,
      craftDelta({ baseSize: 0, outputSize: 44, index: entries.full(44), bodies: sentence }),
    ),
    valid('copied-segment', sentence, sentence.subarray(4, 9), onSentence({ index: entries.copy(4) })),
    valid(
      'literals-copies-differences',
      sentence,
      Buffer.from('A qvfck the lazy slowly.'),
      sparseDelta(sentence, 24, {
        operations: [
          [2, 5, 4],
          [0, 9, 21],
          [8, 0],
        ],
        runs: [[1, 2]],
        differences: Buffer.from([1, 253]),
        literals: 'A  slowly.',
      }),
    ),
    valid(
      'differences-over-copies',
      sentence,
      Buffer.from('Uif qvick '),
      sparseDelta(sentence, 10, {
        operations: [
          [0, 4, 0],
          [0, 6, 0],
        ],
        runs: [
          [0, 3],
          [2, 1],
        ],
        differences: Buffer.from([1, 1, 1, 1]),
      }),
    ),
    valid(
      'several-segments',
      longer,
      mixed,
      craftDelta({
        codec: 'zstd',
        baseSize: longer.length,
        outputSize: mixed.length,
        bodies: secondBody,
        index: Buffer.concat([entries.copy(4_000), entries.sparse(secondBody.length)]),
      }),
    ),
    valid(
      'zstd-repeated-byte',
      sentence,
      Buffer.alloc(60_000, 'x'),
      compressed('zstd', repeatedFrame(0x78, 60_000), 60_000),
    ),
    valid('zstd-text', sentence, text, compressed('zstd', zstdCompressSync(text), text.length)),
    valid('brotli-text', sentence, text, compressed('brotli', brotliCompressSync(text), text.length)),
    valid('zstd-with-checksum', sentence, text, compressed('zstd', withChecksum, text.length)),
    valid('zstd-sparse', sentence, sparseText, compressedSparse('zstd', zstdCompressSync(sparse))),
    valid('brotli-sparse', sentence, sparseText, compressedSparse('brotli', brotliCompressSync(sparse))),
    valid(
      'zstd-window-of-8-mebibytes',
      sentence,
      Buffer.alloc(60_000, 'x'),
      compressed('zstd', windowedFrame(0x78, 60_000, 23), 60_000),
    ),
    valid(
      'segments-of-a-mebibyte',
      sentence,
      Buffer.concat([sentence.subarray(0, 5), Buffer.alloc(70_000, 'y')]),
      sparseDelta(
        sentence,
        70_005,
        {
          operations: [
            [0, 5, 0],
            [70_000, 0],
          ],
          literals: Buffer.alloc(70_000, 'y'),
        },
        { segmentLog: 20 },
      ),
    ),
    copiesWhereExpected(),

    malformed('cut-short', 'truncated', sparseDelta(sentence, 5, copyFive).subarray(0, 27)),
    malformed(
      'body-cut-short',
      'truncated',
      onSentence({ index: entries.full(5), bodies: Buffer.from('four') }),
    ),
    malformed('index-longer-than-all', 'truncated', onSentence({ indexBytes: 100 })),
    malformed('other-magic', 'not-a-delta', onSentence({ magic: 'BSDI' })),
    malformed('later-version', 'unsupported', onSentence({ version: 2 })),
    malformed('later-codec', 'unsupported', onSentence({ codec: 4 })),
    malformed('large-segments', 'unsupported', onSentence({ segmentLog: 21 })),
    malformed('small-segments', 'unsupported', onSentence({ segmentLog: 15 })),
    malformed('reserved-byte', 'unsupported', onSentence({ reserved: 1 })),
    malformed('base-of-more-than-2-to-40', 'too-large', onSentence({ baseSize: 2n ** 40n + 1n })),
    malformed('output-of-2-to-63', 'too-large', onSentence({ outputSize: 2n ** 63n })),
    malformed('index-of-4-gigabytes', 'too-large', onSentence({ indexBytes: 2 ** 32 - 1 })),
    malformed(
      'body-of-gigabytes',
      'too-large',
      onSentence({ codec: 'zstd', index: entries.sparse(4, 2 ** 31), bodies: Buffer.alloc(4) }),
    ),
    malformed(
      'body-of-more-than-two-segments',
      'too-large',
      onSentence({ codec: 'zstd', index: entries.sparse(4, 131_073), bodies: Buffer.alloc(4) }),
    ),
    malformed('other-base', 'wrong-base', onSentence({}), sentence.subarray(1)),
    malformed(
      'more-entries',
      'malformed',
      onSentence({ index: Buffer.concat([entries.copy(0), entries.copy(0)]) }),
    ),
    malformed('no-entry', 'malformed', onSentence({ index: Buffer.alloc(0) })),
    malformed('nothing-stored', 'malformed', onSentence({ codec: 'zstd', index: entries.full(0) })),
    malformed(
      'less-stored-without-a-codec',
      'malformed',
      onSentence({ index: entries.full(4), bodies: Buffer.from('four') }),
    ),
    malformed('unknown-kind', 'malformed', onSentence({ index: sequence(3) })),
    malformed('copy-with-a-body', 'malformed', onSentence({ index: sequence(4, 0) })),
    malformed('padded-number', 'malformed', onSentence({ index: Buffer.from([0x00, 0x80, 0x00]) })),
    malformed(
      'number-of-seven-bytes',
      'malformed',
      onSentence({ index: Buffer.from([0, 128, 128, 128, 128, 128, 128, 1]) }),
    ),
    malformed('bytes-before-the-index', 'malformed', onSentence({ bodies: Buffer.from('more') })),
    malformed(
      'more-stored-than-plain',
      'malformed',
      onSentence({ index: entries.full(6), bodies: Buffer.from('sixsix') }),
    ),
    malformed('segment-before-the-base', 'outside-base', onSentence({ index: entries.copy(-1) })),
    malformed('segment-beyond-the-base', 'outside-base', onSentence({ index: entries.copy(40) })),
    malformed('copy-before-the-base', 'outside-base', sparseDelta(sentence, 5, { operations: [[0, 5, -1]] })),
    malformed('copy-beyond-the-base', 'outside-base', sparseDelta(sentence, 5, { operations: [[0, 5, 40]] })),
    malformed(
      'copy-at-the-edge-of-integers',
      'outside-base',
      sparseDelta(sentence, 5, { operations: [[0, 5, 2 ** 41 - 1]] }),
    ),
    malformed('too-little-output', 'malformed', sparseDelta(sentence, 5, { operations: [[0, 4, 0]] })),
    malformed('too-much-output', 'malformed', sparseDelta(sentence, 5, { operations: [[0, 6, 0]] })),
    malformed(
      'too-many-operations',
      'malformed',
      sparseDelta(
        sentence,
        65_537,
        {
          operations: Array.from({ length: 65_537 }, (): [number, number] => [1, 0]),
          literals: Buffer.alloc(65_537, 'x'),
        },
        { segmentLog: 17 },
      ),
    ),
    malformed('copy-without-a-place', 'malformed', sparseDelta(sentence, 5, { operations: [[0, 5]] })),
    malformed(
      'operation-of-nothing',
      'malformed',
      sparseDelta(sentence, 5, {
        operations: [
          [0, 0],
          [0, 5, 0],
        ],
      }),
    ),
    malformed(
      'missing-literals',
      'malformed',
      sparseDelta(sentence, 5, { operations: [[5, 0]], literals: 'four' }),
    ),
    malformed('literals-left-over', 'malformed', sparseDelta(sentence, 5, { ...copyFive, literals: 'more' })),
    malformed(
      'missing-differences',
      'malformed',
      sparseDelta(sentence, 5, { ...copyFive, runs: [[0, 2]], differences: 'x' }),
    ),
    malformed(
      'differences-left-over',
      'malformed',
      sparseDelta(sentence, 5, { ...copyFive, differences: 'x' }),
    ),
    malformed(
      'run-after-the-output',
      'malformed',
      sparseDelta(sentence, 5, { ...copyFive, runs: [[5, 1]], differences: 'x' }),
    ),
    malformed(
      'runs-left-over',
      'malformed',
      sparseDelta(sentence, 5, {
        ...copyFive,
        runs: [
          [0, 5],
          [0, 1],
        ],
        differences: 'fives',
      }),
    ),
    malformed('run-of-nothing', 'malformed', sparseDelta(sentence, 5, { ...copyFive, runs: [[1, 0]] })),
    malformed(
      'streams-beyond-the-body',
      'malformed',
      sparseDelta(sentence, 5, sequence(200, 200, 200, 'body')),
    ),
    malformed('body-without-lengths', 'malformed', sparseDelta(sentence, 5, Buffer.from([0x80, 0x80]))),
    malformed(
      'zstd-window-of-16-mebibytes',
      'corrupt',
      compressed('zstd', windowedFrame(0x78, 60_000, 24), 60_000),
    ),
    malformed('brotli-window-of-16-mebibytes', 'corrupt', compressed('brotli', ofWideWindow, text.length)),
    malformed('wrong-checksum', 'corrupt', compressed('zstd', wrongChecksum, text.length)),
    malformed(
      'two-frames',
      'corrupt',
      compressed('zstd', Buffer.concat([repeatedFrame(0, 30_000), repeatedFrame(1, 30_000)]), 60_000),
    ),
    malformed(
      'skippable-frame-before',
      'corrupt',
      compressed('zstd', Buffer.concat([skippableFrame, repeatedFrame(0, 60_000)]), 60_000),
    ),
    malformed(
      'skippable-frame-after',
      'corrupt',
      compressed('zstd', Buffer.concat([repeatedFrame(0, 60_000), skippableFrame]), 60_000),
    ),
    malformed(
      'bytes-after-the-stream',
      'corrupt',
      compressed('brotli', Buffer.concat([brotliCompressSync(text), Buffer.from('x')]), text.length),
    ),
    malformed(
      'stream-cut-short',
      'corrupt',
      compressed('brotli', brotliCompressSync(text).subarray(0, -1), text.length),
    ),
    malformed('bomb', 'corrupt', compressed('zstd', repeatedFrame(0, 100_000), 60_000)),
    malformed('too-little-in-the-frame', 'corrupt', compressed('zstd', repeatedFrame(0, 59_999), 60_000)),
    malformed(
      'bytes-after-the-frame',
      'corrupt',
      compressed('zstd', Buffer.concat([repeatedFrame(0, 60_000), Buffer.from('x')]), 60_000),
    ),
  ];
}
