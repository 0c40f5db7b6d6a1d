import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  arm,
  type BootEnvironment,
  beginWriting,
  condemn,
  initialEnvironment,
  partitionWritten,
  prove,
} from './boot-environment.ts';
import type { LoaderState } from './boot-loader.ts';
import { observed, repairSteps, stepsAround } from './loader-steps.ts';

const fresh = initialEnvironment('a');
const whole: BootEnvironment = { ...fresh, spare: { kind: 'whole', content: 'base-1' } };
const trial = { job: 'job-1', content: 'base-1', armedIn: 'boot-1' };
const onTrial: BootEnvironment = { ...whole, trial: { ...trial, triesLeft: 1 } };
const atRest: LoaderState = { booted: 'a', byDefault: 'a', once: null, offered: ['a'] };

function around(from: BootEnvironment, outcome: ReturnType<typeof prove>) {
  assert.ok(outcome.kind === 'changed');
  return stepsAround(from, outcome.environment);
}

test('a slot cannot be started from before its first byte is overwritten, and that is said once', () => {
  const begun = beginWriting(fresh, 'a', 'base-1');
  assert.deepEqual(around(fresh, begun), { before: [{ step: 'withdraw', slot: 'b' }], after: [] });
  assert.ok(begun.kind === 'changed');
  const more = partitionWritten(begun.environment, 'base-1', 'system');
  assert.deepEqual(around(begun.environment, more), { before: [], after: [] });
});

test('a slot is armed after the record says so, with one try even if the one-shot order is lost', () => {
  assert.deepEqual(around(whole, arm(whole, trial)), {
    before: [],
    after: [
      { step: 'offer', slot: 'b', tries: 1 },
      { step: 'start_once', slot: 'b' },
    ],
  });
});

test('a proven slot is the default before the record lets go of the old one, a condemned one is none before it is forgotten', () => {
  assert.deepEqual(around(onTrial, prove(onTrial, 'b')), {
    before: [{ step: 'start_by_default', slot: 'b' }],
    after: [],
  });
  assert.deepEqual(around(onTrial, condemn(onTrial)).before, [
    { step: 'start_once', slot: null },
    { step: 'start_by_default', slot: 'a' },
    { step: 'withdraw', slot: 'b' },
  ]);
});

test('at its start the agent finishes an arming that only it was cut off from, and never one of another boot', () => {
  assert.deepEqual(repairSteps(onTrial, atRest, 'boot-1'), [
    { step: 'offer', slot: 'b', tries: 1 },
    { step: 'start_once', slot: 'b' },
  ]);
  assert.deepEqual(repairSteps(onTrial, atRest, 'boot-2'), []);
});

test('what a boot loader has forgotten, or somebody else has told it, is put right', () => {
  assert.deepEqual(repairSteps(fresh, atRest, 'boot-1'), []);
  const forgot = { ...atRest, byDefault: null, offered: [] };
  assert.deepEqual(repairSteps(fresh, forgot, 'boot-1'), [
    { step: 'offer', slot: 'a', tries: null },
    { step: 'start_by_default', slot: 'a' },
  ]);
  assert.deepEqual(repairSteps(fresh, { ...atRest, once: 'b', byDefault: 'b' }, 'boot-1'), [
    { step: 'start_once', slot: null },
    { step: 'start_by_default', slot: 'a' },
  ]);
  const twice = { ...atRest, booted: 'b' as const, once: 'b' as const, offered: ['a', 'b'] as const };
  assert.deepEqual(repairSteps(onTrial, twice, 'boot-2'), [{ step: 'start_once', slot: null }]);
});

test('how many tries are left, the boot loader knows', () => {
  assert.equal(observed(onTrial, atRest).trial?.triesLeft, 0);
  assert.equal(observed(onTrial, { ...atRest, once: 'b' }).trial?.triesLeft, 1);
});
