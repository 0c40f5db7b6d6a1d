import assert from 'node:assert/strict';
import { test } from 'node:test';
import { benchTransfer } from './bench.ts';

test('the benchmark of the transfer runs, at a size that says nothing about speed', {
  timeout: 120_000,
}, async () => {
  const rows = await benchTransfer({ rounds: 1, quick: true, progress() {} });
  assert.equal(rows.length, 2);
  for (const { what, ratio } of rows) assert.ok(ratio > 0 && Number.isFinite(ratio), what);
});
