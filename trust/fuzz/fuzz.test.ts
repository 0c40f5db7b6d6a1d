import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fuzzMetadata } from './fuzz.ts';

test('1,000 files of metadata that are wrong are refused by a rule, and nothing is taken that nobody signed', async () => {
  const report = await fuzzMetadata({ inputs: 1_000, seed: 1, signal: AbortSignal.timeout(120_000) });
  assert.ok(report.read > 100, `${report.read} were read`);
  assert.ok(report.judged > report.read, `${report.judged} were judged`);
  assert.ok(report.signed > 10 && report.signed < report.judged, `${report.signed} took the good manifest`);
});
