import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { brotliCompressSync, zstdCompressSync } from 'node:zlib';
import { applyDelta, bytesReader, concatenatedReader, DeltaError, type DeltaReason } from './apply.ts';
import { applyWhole, guarded } from './testing/apply-whole.ts';
import { craftDelta, entries, sequence, sparseBody, sparseDelta } from './testing/crafted-delta.ts';
import { sampleBytes } from './testing/sample-bytes.ts';

const base = Buffer.from('The quick brown fox jumps over the lazy dog.');

async function refused(reason: DeltaReason, applying: Promise<unknown>): Promise<void> {
  const error = await applying.then(
    () => assert.fail(`it was applied; expected: ${reason}`),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof DeltaError, String(error));
  assert.equal(error.reason, reason, error.message);
}

test('literals, copies from anywhere, and differences make the output', async () => {
  const delta = sparseDelta(base, 24, {
    operations: [
      [2, 5, 4],
      [0, 9, 30 - 9],
      [8, 0],
    ],
    runs: [[1, 2]],
    differences: Buffer.from([1, 256 - 3]),
    literals: 'A  slowly.',
  });
  const output = (await applyWhole(base, delta)).toString('latin1');
  assert.equal(output, 'A qvfck the lazy slowly.');
});

test('segments are copied as a whole, stored as they are, or compressed', async () => {
  const large = sampleBytes(200_000, 1);
  const other = sampleBytes(65_536, 2);
  for (const [codec, compress] of [
    ['zstd', zstdCompressSync],
    ['brotli', brotliCompressSync],
  ] as const) {
    const full = compress(other);
    const body = sparseBody({ operations: [[0, 30_000, 5 - 2 * 65_536]], runs: [] });
    const delta = craftDelta({
      codec,
      baseSize: large.length,
      outputSize: 2 * 65_536 + 30_000,
      bodies: Buffer.concat([full, body]),
      index: Buffer.concat([entries.copy(100_001), entries.full(full.length), entries.sparse(body.length)]),
    });
    const expected = Buffer.concat([large.subarray(100_001, 165_537), other, large.subarray(5, 30_005)]);
    assert.deepEqual(await applyWhole(large, delta), expected);
    assert.deepEqual(await applyWhole(large, delta, { from: 65_536 }), expected.subarray(65_536));
  }
});

test('an empty output needs no segment', async () => {
  const delta = craftDelta({ baseSize: base.length, outputSize: 0, index: Buffer.alloc(0) });
  assert.equal((await applyWhole(base, delta)).length, 0);
});

test('a base may be several contents end to end, some of them empty', async () => {
  const parts = [
    base.subarray(0, 3),
    Buffer.alloc(0),
    base.subarray(3, 20),
    base.subarray(20),
    Buffer.alloc(0),
  ];
  const reader = concatenatedReader(parts.map(guarded));
  assert.equal(reader.size, base.length);
  for (let from = 0; from <= base.length; from += 1) {
    for (let to = from; to <= base.length; to += 1) {
      const into = Buffer.alloc(to - from);
      await reader.read(into, from);
      assert.deepEqual(into, base.subarray(from, to));
    }
  }
});

test('what is not as the caller was told is refused before anything is yielded', async () => {
  const delta = sparseDelta(base, 5, { operations: [[0, 5, 0]] });
  await refused('wrong-base', applyWhole(base.subarray(1), delta));
  const expected = { outputSize: 5, codec: 'none' } as const;
  assert.equal((await applyWhole(base, delta, { expected })).toString(), 'The q');
  await refused('wrong-output', applyWhole(base, delta, { expected: { ...expected, outputSize: 6 } }));
  await refused('wrong-output', applyWhole(base, delta, { expected: { ...expected, codec: 'zstd' } }));
});

test('a reader that fails is not the fault of the delta', async () => {
  const delta = sparseDelta(base, 5, { operations: [[0, 5, 0]] });
  const broken = { size: base.length, read: () => Promise.reject(new Error('EIO')) };
  await assert.rejects(applyWhole(base, delta, { base: broken }), /EIO/);
});

test('it stops when it is told to', async () => {
  const delta = craftDelta({
    baseSize: base.length,
    outputSize: 131_072,
    bodies: Buffer.alloc(131_072),
    index: Buffer.concat([entries.full(65_536), entries.full(65_536)]),
  });
  const stop = new AbortController();
  const pieces = applyDelta({
    base: bytesReader(base),
    delta: bytesReader(delta),
    signal: stop.signal,
  });
  assert.equal((await pieces.next()).value?.length, 65_536);
  stop.abort(new Error('enough'));
  await assert.rejects(pieces.next(), /enough/);
});

test('memory does not grow with the file: 200 MB are made in less than 32 MB more', {
  timeout: 60_000,
}, () => {
  const script = join(import.meta.dirname, 'testing', 'apply-large.ts');
  const { stdout, stderr } = spawnSync(process.execPath, [script, `${200 * 2 ** 20}`], { encoding: 'utf8' });
  const { outputBytes, addedBytes } = JSON.parse(stdout || '{}');
  assert.equal(outputBytes, 200 * 2 ** 20, stderr);
  assert.ok(addedBytes < 32 * 2 ** 20, `${addedBytes} bytes`);
});

test('a delta that is cut anywhere is refused', async () => {
  const delta = sparseDelta(base, 24, { operations: [[2, 22, 1]], literals: 'ab' });
  for (let length = 0; length < delta.length; length += 1) {
    const cut = applyWhole(base, delta.subarray(0, length));
    await assert.rejects(cut, DeltaError, `the first ${length} bytes`);
  }
});

/** Each way to be wrong, by what is wrong about it. */
const wrong: Record<string, [DeltaReason, Buffer]> = {
  'another magic': ['not-a-delta', sparseDelta(base, 5, { operations: [[0, 5, 0]] }, { magic: 'BSDI' })],
  'a version from the future': [
    'unsupported',
    sparseDelta(base, 5, { operations: [[0, 5, 0]] }, { version: 2 }),
  ],
  'a codec from the future': ['unsupported', sparseDelta(base, 5, { operations: [[0, 5, 0]] }, { codec: 4 })],
  'segments that are too large': [
    'unsupported',
    sparseDelta(base, 5, { operations: [[0, 5, 0]] }, { segmentLog: 21 }),
  ],
  'an output of 2^63 bytes': [
    'too-large',
    craftDelta({ baseSize: base.length, outputSize: 2n ** 63n, index: Buffer.alloc(0) }),
  ],
  'an index that is longer than everything': [
    'truncated',
    craftDelta({ baseSize: base.length, outputSize: 5, index: entries.copy(0), indexBytes: 100 }),
  ],
  'an index beyond the limit': [
    'too-large',
    craftDelta({ baseSize: base.length, outputSize: 5, index: entries.copy(0), indexBytes: 2 ** 32 - 1 }),
  ],
  'too few entries': [
    'malformed',
    craftDelta({
      baseSize: base.length,
      outputSize: 70_000,
      index: entries.full(65_536),
      bodies: Buffer.alloc(65_536),
    }),
  ],
  'too many entries': [
    'malformed',
    craftDelta({
      baseSize: base.length,
      outputSize: 5,
      index: Buffer.concat([entries.copy(0), entries.copy(0)]),
    }),
  ],
  'a kind that is not': ['malformed', craftDelta({ baseSize: 44, outputSize: 5, index: sequence(3) })],
  'a number with a byte that adds nothing': [
    'malformed',
    craftDelta({ baseSize: 44, outputSize: 5, index: Buffer.from([0x00, 0x80, 0x00]) }),
  ],
  'a number of seven bytes': [
    'malformed',
    craftDelta({
      baseSize: 44,
      outputSize: 5,
      index: Buffer.from([0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1]),
    }),
  ],
  'bytes between the bodies and the index': [
    'malformed',
    craftDelta({ baseSize: 44, outputSize: 5, index: entries.copy(0), bodies: Buffer.from('more') }),
  ],
  'a body that is not there': [
    'truncated',
    craftDelta({ baseSize: 44, outputSize: 5, index: entries.full(5), bodies: Buffer.from('more') }),
  ],
  'more stored than the body has': [
    'malformed',
    craftDelta({ baseSize: 44, outputSize: 5, index: entries.full(6), bodies: Buffer.from('sixsix') }),
  ],
  'a body of gigabytes': [
    'too-large',
    craftDelta({
      baseSize: 44,
      outputSize: 5,
      codec: 'zstd',
      index: entries.sparse(4, 2 ** 31),
      bodies: Buffer.alloc(4),
    }),
  ],
  'a bomb': [
    'corrupt',
    ((bomb) =>
      craftDelta({
        baseSize: 44,
        outputSize: 65_536,
        codec: 'zstd',
        index: entries.full(bomb.length),
        bodies: bomb,
      }))(zstdCompressSync(Buffer.alloc(200_000_000))),
  ],
  'a body that decompresses to too little': [
    'corrupt',
    ((short) =>
      craftDelta({
        baseSize: 44,
        outputSize: 65_536,
        codec: 'brotli',
        index: entries.full(short.length),
        bodies: short,
      }))(brotliCompressSync(Buffer.alloc(65_535))),
  ],
  'bytes after what is compressed': [
    'corrupt',
    ((longer) =>
      craftDelta({
        baseSize: 44,
        outputSize: 65_536,
        codec: 'zstd',
        index: entries.full(longer.length),
        bodies: longer,
      }))(Buffer.concat([zstdCompressSync(Buffer.alloc(65_536)), Buffer.from('x')])),
  ],
  'a whole segment before the base': [
    'outside-base',
    craftDelta({ baseSize: 44, outputSize: 5, index: entries.copy(-1) }),
  ],
  'a whole segment beyond the base': [
    'outside-base',
    craftDelta({ baseSize: 44, outputSize: 5, index: entries.copy(40) }),
  ],
  'a copy before the base': ['outside-base', sparseDelta(base, 5, { operations: [[0, 5, -1]] })],
  'a copy beyond the base': ['outside-base', sparseDelta(base, 5, { operations: [[0, 5, 40]] })],
  'a jump to the edge of the integers': [
    'outside-base',
    sparseDelta(base, 5, { operations: [[0, 5, 2 ** 41 - 1]] }),
  ],
  'too little output': ['malformed', sparseDelta(base, 5, { operations: [[0, 4, 0]] })],
  'too much output': ['malformed', sparseDelta(base, 5, { operations: [[0, 6, 0]] })],
  'an operation that yields nothing': [
    'malformed',
    sparseDelta(base, 5, {
      operations: [
        [0, 0],
        [0, 5, 0],
      ],
    }),
  ],
  'literals that are not there': [
    'malformed',
    sparseDelta(base, 5, { operations: [[5, 0]], literals: 'four' }),
  ],
  'literals that are left over': [
    'malformed',
    sparseDelta(base, 5, { operations: [[0, 5, 0]], literals: 'more' }),
  ],
  'differences that are not there': [
    'malformed',
    sparseDelta(base, 5, { operations: [[0, 5, 0]], runs: [[0, 2]], differences: 'x' }),
  ],
  'differences that are left over': [
    'malformed',
    sparseDelta(base, 5, { operations: [[0, 5, 0]], differences: 'x' }),
  ],
  'a run that goes on after the output': [
    'malformed',
    sparseDelta(base, 5, { operations: [[0, 5, 0]], runs: [[5, 1]], differences: 'x' }),
  ],
  'a run of nothing': ['malformed', sparseDelta(base, 5, { operations: [[0, 5, 0]], runs: [[1, 0]] })],
  'streams that overlap': ['malformed', sparseDelta(base, 5, sequence(200, 200, 200, 'body'))],
  'a body without an end': ['malformed', sparseDelta(base, 5, Buffer.from([0x80, 0x80]))],
  'too many operations': [
    'malformed',
    sparseDelta(
      base,
      65_538,
      {
        operations: Array.from({ length: 65_537 }, () => [1, 0] as [number, number]),
        literals: 'x'.repeat(65_537),
      },
      { segmentLog: 17 },
    ),
  ],
};

for (const [what, [reason, delta]] of Object.entries(wrong)) {
  test(`${what}: ${reason}`, () => refused(reason, applyWhole(base, delta)));
}
