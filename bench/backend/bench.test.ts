import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backendBench } from './bench.ts';

test('the benchmark of the backend runs, at a size that says nothing about speed', {
  timeout: 120_000,
}, async () => {
  const [row] = await backendBench.run({ rounds: 1, quick: true, progress() {} });
  assert.ok(row !== undefined && row.ratio > 0 && Number.isFinite(row.ratio));
});
