import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fuzzTrail } from './trail.ts';

test('300 audit trails with a line that is wrong have findings, or say what was signed', async () => {
  const report = await fuzzTrail({ inputs: 300, seed: 1, signal: AbortSignal.timeout(120_000) });
  assert.ok(report.found > 200, `${report.found} had findings`);
  assert.ok(report.verified > 0, `${report.verified} had none`);
});
