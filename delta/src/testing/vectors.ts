/** The golden vectors: bases, deltas and outputs that an applier in any language must agree with, and deltas that it must refuse. */
import { brotliCompressSync, zstdCompressSync } from 'node:zlib';
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
    malformed('reserved-byte', 'unsupported', onSentence({ reserved: 1 })),
    malformed('output-of-2-to-63', 'too-large', onSentence({ outputSize: 2n ** 63n })),
    malformed('index-of-4-gigabytes', 'too-large', onSentence({ indexBytes: 2 ** 32 - 1 })),
    malformed(
      'body-of-gigabytes',
      'too-large',
      onSentence({ codec: 'zstd', index: entries.sparse(4, 2 ** 31), bodies: Buffer.alloc(4) }),
    ),
    malformed('other-base', 'wrong-base', onSentence({}), sentence.subarray(1)),
    malformed(
      'more-entries',
      'malformed',
      onSentence({ index: Buffer.concat([entries.copy(0), entries.copy(0)]) }),
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
    malformed('run-of-nothing', 'malformed', sparseDelta(sentence, 5, { ...copyFive, runs: [[1, 0]] })),
    malformed(
      'streams-beyond-the-body',
      'malformed',
      sparseDelta(sentence, 5, sequence(200, 200, 200, 'body')),
    ),
    malformed('body-without-lengths', 'malformed', sparseDelta(sentence, 5, Buffer.from([0x80, 0x80]))),
    malformed('bomb', 'corrupt', compressed('zstd', repeatedFrame(0, 100_000), 60_000)),
    malformed('too-little-in-the-frame', 'corrupt', compressed('zstd', repeatedFrame(0, 59_999), 60_000)),
    malformed(
      'bytes-after-the-frame',
      'corrupt',
      compressed('zstd', Buffer.concat([repeatedFrame(0, 60_000), Buffer.from('x')]), 60_000),
    ),
  ];
}
