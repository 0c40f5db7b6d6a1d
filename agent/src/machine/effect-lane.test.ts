import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { Effect } from './effect.ts';
import type { Journal } from './journal.ts';
import type { RunnerOptions } from './runner.ts';
import {
  type Agent,
  agentIn,
  agentOn,
  baseDigest,
  failing,
  patchDigest,
  resulting,
} from './testing/agent.ts';
import { journalFor, type TestJournal } from './testing/journal.ts';

describe('the write cap', { timeout: 10_000 }, () => {
  /** Starts agents on one journal, each of which dies in the middle of `kind`, until one of them does not begin it. */
  async function crashIn(
    t: TestContext,
    kind: Effect['kind'],
    home: TestJournal,
    maxAttempts: number,
  ): Promise<Agent> {
    for (let attempt = 1; attempt <= maxAttempts; attempt += 1) {
      const agent = agentOn(t, home, { maxAttempts, graceMs: 0 });
      agent.script.on(kind, () => new Promise(() => {}));
      const begun = agent.script.called(kind);
      agent.runner.start();
      assert.equal((await begun).attempt, attempt);
    }
    return agentOn(t, home, { maxAttempts });
  }

  test('a patch in the middle of which the machine dies again and again has failed, and the base takes over', async (t) => {
    const { home } = agentIn(t, 'APPLYING_PATCH');
    const last = await crashIn(t, 'apply_patch', home, 3);
    const transferring = last.script.called('start_transfer');
    last.runner.start();
    await transferring;
    assert.equal(last.machine.snapshot().state, 'INTRANSIT_BASE');
    assert.deepEqual(
      last.script.calls.map(({ kind }) => kind),
      ['report', 'start_transfer'],
    );
    const effect = last.script.calls[0]?.effect;
    assert.ok(effect?.kind === 'report' && effect.report.kind === 'integrity_fault');
    assert.equal(effect.report.reason, 'given up after 3 attempts');
  });

  test('a base that cannot be written is set aside, reported, and its slot is not armed', async (t) => {
    const { home } = agentIn(t, 'APPLYING_BASE');
    const last = await crashIn(t, 'apply_base', home, 3);
    const reported = last.script.called('report');
    last.runner.start();
    assert.deepEqual((await reported).effect, {
      kind: 'report',
      report: { kind: 'set_aside', effect: 'apply_base', updateId: 'update-1' },
    });
    await last.runner.stop();
    assert.equal(last.machine.snapshot().state, 'APPLYING_BASE');
    assert.ok(!last.script.calls.some(({ kind }) => kind === 'apply_base' || kind === 'arm_slot'));
    assert.ok(last.findings.some(({ kind }) => kind === 'effect_given_up'));
  });

  test('what was set aside is tried again when it is released', async (t) => {
    const { home } = agentIn(t, 'APPLYING_BASE');
    const last = await crashIn(t, 'apply_base', home, 2);
    const reported = last.script.called('report');
    last.script.on('arm_slot', resulting({ type: 'boot_sys', manifestDigest: baseDigest, proven: true }));
    last.runner.start();
    await reported;
    assert.equal(last.runner.release(), 1);
    await last.reaches('READY');
    assert.equal(last.script.calls.find(({ kind }) => kind === 'apply_base')?.attempt, 1);
  });

  test('an effect that fails is tried again, later each time, and counts like a crash', async (t) => {
    const { runner, script, sleeps, findings, reaches } = agentIn(t, 'APPLYING_PATCH');
    script.on('apply_patch', failing);
    runner.start();
    await reaches('INTRANSIT_BASE');
    assert.equal(script.calls.filter(({ kind }) => kind === 'apply_patch').length, 10);
    assert.deepEqual(sleeps, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000, 60_000]);
    assert.deepEqual(findings[0], {
      kind: 'effect_failed',
      effect: 'apply_patch',
      id: 'the-journal.2',
      attempt: 1,
      reason: 'it did not work',
    });
  });

  test('a port that throws has failed', async (t) => {
    const { runner, script, findings, reaches } = agentIn(t, 'INTRANSIT_PATCH');
    script.on('start_transfer', async (_effect, { attempt }) => {
      if (attempt < 3) throw new Error('a bug');
      return { kind: 'event', event: { type: 'transfer_complete', manifestDigest: patchDigest } };
    });
    runner.start();
    await reaches('READY_WITHPATCH');
    assert.deepEqual(
      findings.map((finding) => 'reason' in finding && finding.reason),
      ['a bug', 'a bug'],
    );
  });

  test('a result about another manifest is a failure, not a transition', async (t) => {
    const { runner, script, findings, reaches } = agentIn(t, 'APPLYING_PATCH', { maxAttempts: 2 });
    script.on('apply_patch', resulting({ type: 'integrity_ok', manifestDigest: 'another' }));
    runner.start();
    await reaches('INTRANSIT_BASE');
    assert.ok(findings.some((finding) => 'reason' in finding && finding.reason.includes('other_manifest')));
  });

  test('progress starts the count over', async (t) => {
    const { runner, script, reaches } = agentIn(t, 'INTRANSIT_PATCH', { maxAttempts: 3 });
    let calls = 0;
    script.on('start_transfer', async (_effect, { progress }) => {
      calls += 1;
      if (calls === 12)
        return { kind: 'event', event: { type: 'transfer_complete', manifestDigest: patchDigest } };
      progress();
      return { kind: 'failed', reason: 'the link is down' };
    });
    runner.start();
    await reaches('READY_WITHPATCH');
    assert.equal(calls, 12);
  });

  test('an attempt that a clean stop cut short is not counted', async (t) => {
    const { home } = agentIn(t, 'INTRANSIT_PATCH');
    for (let i = 0; i < 5; i += 1) {
      const agent = agentOn(t, home, { maxAttempts: 2 });
      const begun = agent.script.called('start_transfer');
      agent.runner.start();
      assert.equal((await begun).attempt, 1);
      await agent.runner.stop();
    }
  });

  test('no more than 64 effects stay set aside', async (t) => {
    const home = journalFor(t);
    const { journal } = home;
    const agent = agentOn(t, home, { maxAttempts: 1 });
    agent.script.on('discard', failing);
    for (let i = 0; i < 70; i += 1) journal.write({ add: [{ kind: 'discard', updateId: `update-${i}` }] });
    journal.write({ add: [{ kind: 'ask_assignment' }] });
    const asked = agent.script.called('ask_assignment');
    agent.runner.start();
    await asked;
    const setAside = journal.effects().filter((pending) => pending.setAside);
    assert.equal(setAside.length, 64);
    assert.deepEqual(setAside[0]?.effect, { kind: 'discard', updateId: 'update-6' });
  });
});

describe('a full disk', { timeout: 10_000 }, () => {
  /** A journal whose disk can be filled. */
  function withSwitch(home: TestJournal): { home: TestJournal; disk: { full: boolean } } {
    const { journal } = home;
    const disk: { full: boolean } = { full: false };
    const write: Journal['write'] = (entry) =>
      disk.full ? { kind: 'not_recorded', reason: 'disk_full' } : journal.write(entry);
    return { home: { ...home, journal: { ...journal, write } }, disk };
  }

  test('does not lose the result of an effect: it is written as soon as there is room', async (t) => {
    const { home, disk } = withSwitch(agentIn(t, 'APPLYING_PATCH').home);
    const waited = Promise.withResolvers<void>();
    const { runner, script, findings, reaches } = agentOn(t, home, {
      sleep: async (ms) => {
        if (ms === 2000) {
          disk.full = false;
          waited.resolve();
        }
      },
    });
    script.on('apply_patch', async () => {
      disk.full = true;
      return { kind: 'event', event: { type: 'integrity_ok', manifestDigest: patchDigest } };
    });
    runner.start();
    await waited.promise;
    await reaches('READY');
    assert.deepEqual(findings, [{ kind: 'disk_full', what: 'the result of apply_patch' }]);
    assert.equal(script.calls.filter(({ kind }) => kind === 'apply_patch').length, 1);
  });

  test('lets no effect begin whose attempt cannot be counted', async (t) => {
    const { home, disk } = withSwitch(agentIn(t, 'APPLYING_PATCH').home);
    disk.full = true;
    const { runner, script, findings } = agentOn(t, home, { sleep: untilStopped });
    runner.start();
    await runner.stop();
    assert.deepEqual(script.calls, []);
    assert.ok(findings.some(({ kind }) => kind === 'disk_full'));
  });

  test('is the answer to a command, and the state stays', async (t) => {
    const { home, disk } = withSwitch(agentIn(t, 'READY').home);
    const { runner, machine } = agentOn(t, home);
    disk.full = true;
    assert.deepEqual(await runner.submit({ type: 'sdk_cmdbusy' }), {
      kind: 'not_recorded',
      reason: 'disk_full',
    });
    assert.equal(machine.snapshot().state, 'READY');
  });

  const untilStopped: RunnerOptions['sleep'] = (_ms, signal) =>
    new Promise((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
});
