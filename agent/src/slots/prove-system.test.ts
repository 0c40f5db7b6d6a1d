import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { StepResult } from '@iotdh/proto/bus/v1';
import { BaseSchema } from '@iotdh/proto/update/v1';
import type { ChecksEnd, RunChecks } from '../install/checks.ts';
import { createProof, type ProofOptions } from './prove-system.ts';
import { stillClock } from './testing/workstation.ts';

const checked = create(BaseSchema, {
  bootTimeLimit: durationFromMs(60_000),
  checks: [{ title: 'it answers', kind: { case: 'localEndpoint', value: { port: 104 } } }],
});
const unchecked = create(BaseSchema, {});

/** Settles when its signal is aborted. */
const untilAborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));

function proof(options: Partial<ProofOptions> = {}) {
  const clock = stillClock();
  const surroundings: ProofOptions = {
    runChecks: async () => ({ kind: 'passed', steps: [] }),
    uptimeMs: async () => 0,
    connected: async () => true,
    sandbox: { refusal: () => null, run: async () => ({ kind: 'stopped' }) },
    versionOf: async () => null,
    clock,
    ...options,
  };
  const agent = new AbortController();
  const job = { contentPath: (digestHex: string) => digestHex, signal: agent.signal };
  return { clock, prove: createProof(surroundings), job, stop: () => agent.abort() };
}

test('the checks of the base are run, with where its scripts lie', async () => {
  const seen: string[] = [];
  const runChecks: RunChecks = async (checks, { contentPath, subject }): Promise<ChecksEnd> => {
    seen.push(...checks.map(({ title }) => title), contentPath('abc'), subject);
    return { kind: 'passed', steps: [] };
  };
  const { prove, job } = proof({ runChecks });
  assert.deepEqual(await prove(checked, job), { kind: 'passed', steps: [] });
  assert.deepEqual(seen, ['it answers', 'abc', '']);
});

test('without checks, a system is proven by the agent being connected', async () => {
  const { prove, job } = proof();
  const end = await prove(unchecked, job);
  assert.ok(end.kind === 'passed');
  assert.equal(end.steps[0]?.result, StepResult.OK);
});

test('a system that does not connect within its time has failed, and says so', async () => {
  const connected = async (signal: AbortSignal) => {
    await untilAborted(signal);
    return false;
  };
  const { prove, job, clock } = proof({ connected });
  const proving = prove(unchecked, job);
  await setImmediate();
  clock.elapse();
  const end = await proving;
  assert.ok(end.kind === 'failed');
  assert.match(end.steps[0]?.detail ?? '', /not proven within 600000 ms/);
});

test('the boot itself uses up the time: a system that came up too late has failed without a check', async () => {
  const runChecks = async () => assert.fail('it was checked');
  const { prove, job } = proof({ runChecks, uptimeMs: async () => 60_001 });
  assert.equal((await prove(checked, job)).kind, 'failed');
});

test('checks that outlast the time have failed; an agent that stops has not decided anything', async () => {
  const runChecks: RunChecks = async (_checks, { signal }) => {
    await untilAborted(signal);
    return { kind: 'stopped', steps: [] };
  };
  const late = proof({ runChecks });
  const proving = late.prove(checked, late.job);
  await setImmediate();
  late.clock.elapse();
  assert.equal((await proving).kind, 'failed');

  const stopping = proof({ runChecks });
  const cut = stopping.prove(checked, stopping.job);
  await setImmediate();
  stopping.stop();
  assert.deepEqual(await cut, { kind: 'stopped' });
});
