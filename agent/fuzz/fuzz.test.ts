import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fuzzTransfer, readers } from './fuzz.ts';

for (const reader of readers) {
  test(`3,000 inputs of the kind ${reader} that are wrong are refused, and those that are right are taken`, async () => {
    const report = await fuzzTransfer(reader, {
      inputs: 3_000,
      seed: 1,
      signal: AbortSignal.timeout(120_000),
    });
    assert.ok(report.refused > 300, `${report.refused} were refused`);
    assert.ok(report.accepted > 10, `${report.accepted} were taken`);
  });
}
