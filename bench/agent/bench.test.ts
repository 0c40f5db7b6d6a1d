import assert from 'node:assert/strict';
import { test } from 'node:test';
import { agentBench } from './bench.ts';

test('the benchmark of the agent runs, at a size that says nothing about memory', {
  timeout: 180_000,
}, async () => {
  const rows = await agentBench.run({ rounds: 1, quick: true, progress() {} });
  assert.equal(rows.length, 2);
  for (const { what, ratio } of rows) assert.ok(ratio > 0 && Number.isFinite(ratio), what);
});
