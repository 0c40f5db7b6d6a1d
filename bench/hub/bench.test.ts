import assert from 'node:assert/strict';
import { test } from 'node:test';
import { benchHub } from './bench.ts';

test('the benchmark of the hub runs, at a size that says nothing about speed', {
  timeout: 120_000,
}, async () => {
  const rows = await benchHub({
    rounds: 1,
    cloudToDevice: { count: 40, bytes: 61_440 },
    deviceToCloud: { count: 200, bytes: 512 },
    connections: 20,
    progress() {},
  });
  assert.equal(rows.length, 4);
  for (const { what, ratio } of rows) assert.ok(ratio > 0 && Number.isFinite(ratio), what);
});
