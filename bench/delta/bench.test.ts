import assert from 'node:assert/strict';
import { test } from 'node:test';
import { benchDelta } from './bench.ts';

test('the benchmark of the delta runs, with whatever tools are here', { timeout: 120_000 }, async () => {
  const said: string[] = [];
  const text = await benchDelta({ rounds: 1, quick: true, progress: (line) => said.push(line) });
  assert.deepEqual(
    said.filter((line) => /ours/.test(line)),
    ['made up: ours, zstd', 'made up: ours, brotli'],
  );
  assert.match(text, /\| ours, brotli \| 0\.01 MB \|/);
});
