import assert from 'node:assert/strict';
import { test } from 'node:test';
import { slotsBench } from './bench.ts';

test('the benchmark of images runs, at a size that says nothing about them', async () => {
  const rows = await slotsBench.run({ rounds: 1, quick: true, progress() {} });
  assert.equal(rows.length, 2);
  for (const { what, ratio } of rows) assert.ok(ratio >= 0, what);
});
