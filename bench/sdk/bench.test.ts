import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sdkBench } from './bench.ts';

test('the benchmark of the SDK runs, at a size that says nothing about speed', {
  timeout: 180_000,
}, async () => {
  const rows = await sdkBench.run({ rounds: 1, quick: true, progress() {} });
  assert.equal(rows.length, 10);
  for (const { what, ratio } of rows) assert.ok(ratio > 0 && Number.isFinite(ratio), what);
});
