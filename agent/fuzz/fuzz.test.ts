import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fuzzTransfer, type Reader, readers } from './fuzz.ts';
import { fuzzHostService } from './host-service.ts';

/** Each is decoded from a file: they take a hundred times as long. */
const fewer: Partial<Record<Reader, number>> = { decode: 300 };

for (const reader of readers) {
  const inputs = fewer[reader] ?? 3_000;
  test(`${inputs} inputs of the kind ${reader} that are wrong are refused, and those that are right are taken`, async () => {
    const report = await fuzzTransfer(reader, { inputs, seed: 1, signal: AbortSignal.timeout(120_000) });
    assert.ok(report.refused > inputs / 10, `${report.refused} were refused`);
    assert.ok(report.accepted > 10, `${report.accepted} were taken`);
  });
}

test('500 requests to the host service that are damaged or wild do nothing that its contract and its settings do not allow', async () => {
  const report = await fuzzHostService({ inputs: 500, seed: 1, signal: AbortSignal.timeout(120_000) });
  assert.ok(report.refused > 100, `${report.refused} were refused`);
  assert.ok(report.accepted > 30, `${report.accepted} were taken`);
});
