import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Figures, PairRecord } from './record.ts';
import { deltaTable } from './table.ts';

const figures = (bytes: number, cpuSeconds: number, megabytes: number): Figures => {
  const cost = { cpuSeconds, peakBytes: megabytes * 1e6 };
  return { bytes, encode: cost, apply: cost };
};

const record: PairRecord = {
  date: '2026-11-30',
  newBytes: 48e6,
  idle: { bareBytes: 44e6, loadedBytes: 80e6 },
  tools: {
    'ours, zstd': figures(800_000, 10, 90),
    'ours, brotli': figures(700_000, 30, 120),
    bsdiff: figures(500_000, 100, 430),
    'zstd -19 --patch-from': 'stopped after 900 s of CPU',
    'casync 64K': figures(10_000_000, 1, 10),
  },
};

const lines = deltaTable([
  { name: 'one', title: 'a title', record },
  { name: 'other', title: '', record: undefined },
]).split('\n');

test('a goal is held or missed, with the figure of each codec', () => {
  assert.deepEqual(
    lines.filter((line) => /^\| .*(held|missed|–)/.test(line)),
    [
      '| bytes ÷ bsdiff’s | 1.25 | **missed**: 1.60, 1.40 |',
      '| bytes ÷ zstd’s, but for a major release | 0.5 | – |',
      '| CPU to encode ÷ bsdiff’s | 0.25 | 0.100 held, 0.300 **missed** |',
      '| MB that applying adds to Node | 32 | 10.0 held, 40.0 **missed** |',
      '| memory to apply, Node and all, ÷ casync’s | 2 | **missed**: 9.00, 12.0 |',
    ],
  );
});

test('a tool without figures says why, and a pair without a record is named', () => {
  assert(lines.includes('**Not measured:** other.'));
  assert(lines.includes('| zstd -19 --patch-from | stopped after 900 s of CPU |  |  |  |  |  |'));
  assert(
    lines.includes('**Not measured:** xdelta3 -9 -S lzma; OSTree static-delta; rdiff, zstd -19; zchunk.'),
  );
  assert(lines.includes('| bsdiff | 0.50 MB | 1.60 | 100.0 s | 430 MB | 100.0 s | 430 MB |'));
});
