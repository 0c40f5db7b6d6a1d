import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fuzzDelta } from './fuzz.ts';

const reasons = [
  'corrupt',
  'malformed',
  'not-a-delta',
  'outside-base',
  'too-large',
  'truncated',
  'unsupported',
  'wrong-base',
];

test('5,000 deltas that are wrong are refused, each for a reason, and those that are right are applied', async () => {
  const report = await fuzzDelta({ inputs: 5_000, seed: 1, signal: AbortSignal.timeout(120_000) });
  assert.deepEqual(
    Object.keys(report.refused).toSorted((a, b) => (a < b ? -1 : 1)),
    reasons,
  );
  assert.ok(report.applied > 500, `${report.applied} were applied`);
});
