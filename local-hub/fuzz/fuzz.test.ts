import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import type { FuzzReport } from './fuzz.ts';

/** The command in a process of its own, so that an exception that escapes the hub ends that and not the tests. */
async function runFuzz(t: TestContext, ...args: string[]): Promise<FuzzReport> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args]);
  t.after(() => child.kill('SIGKILL'));
  const [output, errors, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ]);
  assert.equal(code, 0, errors);
  return JSON.parse(output) as FuzzReport;
}

// `make fuzz` plays 100,000 of them; these are its first ones.
test('10,000 malformed clients neither end the hub nor disturb a healthy one', {
  timeout: 300_000,
}, async (t) => {
  const report = await runFuzz(t, '--inputs', '10000', '--seed', '1');
  assert.equal(report.inputs, 10_000);
  assert.ok(report.roundTrips > 20, `${report.roundTrips} round trips`);
});

test('nor do malformed clients over TLS', { timeout: 120_000 }, async (t) => {
  const report = await runFuzz(t, '--inputs', '2000', '--seed', '2', '--tls');
  assert.equal(report.inputs, 2_000);
  assert.ok(report.roundTrips > 2, `${report.roundTrips} round trips`);
});
