import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fuzzMessages } from './fuzz.ts';

test('3,000 messages of the bus that are nearly right are refused, or taken and written anew', async () => {
  const report = await fuzzMessages({ inputs: 3_000, seed: 1, signal: AbortSignal.timeout(120_000) });
  assert.ok(report.refused > 1_000, `${report.refused} were refused`);
  assert.ok(report.accepted > 100, `${report.accepted} were taken`);
});
