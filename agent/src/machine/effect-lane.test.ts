import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
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
import { done, kinds, type Port, untilAborted } from './testing/ports.ts';

/** Fails, and lets the rest of the process live. */
const unable: Port = async () => {
  await setImmediate();
  return { kind: 'failed', reason: 'the port is out of order' };
};
const boot = (proven: boolean) => resulting({ type: 'boot_sys', manifestDigest: baseDigest, proven })();
const takingBack: Port = async (effect, context) => (context.givenUp ? boot(false) : unable(effect, context));

/** What every port does that works. */
const heal: Port = async (effect, { givenUp }) => {
  switch (effect.kind) {
    case 'start_transfer':
      return resulting({ type: 'transfer_complete', manifestDigest: effect.update.manifest.digest })();
    case 'prompt':
      return resulting({ type: 'prompt_issued', manifestDigest: effect.update.manifest.digest })();
    case 'apply_patch':
      return resulting({ type: 'integrity_ok', manifestDigest: effect.update.manifest.digest })();
    case 'arm_slot':
      return boot(!givenUp);
    default:
      return done;
  }
};

const untilStopped: RunnerOptions['sleep'] = (_ms, signal) =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });

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

  test('a base in the middle of which the machine dies again and again is taken back, and its slot is not armed', async (t) => {
    const { home } = agentIn(t, 'APPLYING_BASE');
    const last = await crashIn(t, 'apply_base', home, 3);
    last.script.on('arm_slot', takingBack);
    const asked = last.script.called('ask_assignment');
    last.runner.start();
    await asked;
    assert.equal(last.machine.snapshot().state, 'READY');
    assert.deepEqual(last.machine.snapshot().memory.finished, { updateId: 'update-1', ending: 'fell_back' });
    assert.deepEqual(
      last.script.calls.map(({ kind }) => kind),
      ['arm_slot', 'report', 'discard', 'ask_assignment'],
    );
    assert.ok(last.findings.some(({ kind }) => kind === 'effect_given_up'));
  });

  test('a base that cannot be taken back yet is asked for again, ever later, over restarts too', async (t) => {
    const { home } = agentIn(t, 'APPLYING_BASE');
    const first = agentOn(t, home, { maxAttempts: 2 });
    first.script.on('arm_slot', unable);
    await first.lives(() => first.script.calls.filter(({ kind }) => kind === 'arm_slot').length === 7);
    await first.runner.stop();
    assert.deepEqual(first.sleeps.slice(0, 8), [
      ...[1000, 2000, 4000, 60_000, 8000, 120_000, 16_000, 240_000],
    ]);
    const last = agentOn(t, home, { maxAttempts: 2 });
    last.script.on('arm_slot', takingBack);
    last.runner.start();
    await last.reaches('READY');
    assert.ok((last.sleeps[0] ?? 0) >= 240_000, 'a start is no way around the wait');
  });

  test('an attempt that ends with the restart that it asked for counts, though the agent stops cleanly', async (t) => {
    const { home } = agentIn(t, 'APPLYING_BASE');
    for (const attempt of [1, 2, 3]) {
      const agent = agentOn(t, home);
      agent.script.on('arm_slot', async (effect, context) => {
        await untilAborted(effect, context);
        return { kind: 'failed', reason: 'the machine restarts', restarting: true };
      });
      const begun = agent.script.called('arm_slot');
      agent.runner.start();
      assert.equal((await begun).attempt, attempt);
      await agent.runner.stop();
    }
  });

  test('what was set aside holds up its own batch, and is tried once more at each start and each hour', async (t) => {
    const first = agentIn(t, 'READY_WITHPATCH', { maxAttempts: 3 });
    first.script.on('prompt', unable);
    const attempts = ({ script }: Agent) => script.calls.filter(({ kind }) => kind === 'prompt').length;
    const isAside = () => first.journal.effects().some(({ setAside }) => setAside);
    await first.lives(isAside);
    assert.equal(attempts(first), 3);
    first.anHourPasses();
    await first.lives(() => attempts(first) === 4 && isAside());
    await first.runner.stop();

    const last = agentOn(t, first.home, { maxAttempts: 3 });
    last.script.on('prompt', resulting({ type: 'prompt_issued', manifestDigest: patchDigest }));
    last.runner.start();
    await last.reaches('WAIT_CONFIRM_PATCH');
    assert.equal(attempts(last), 1);
  });

  for (const state of ['APPLYING_PATCH', 'APPLYING_BASE'] as const) {
    for (const when of ['in the same process', 'after a restart'] as const) {
      test(`${state} with everything given up comes to READY once the ports work again, ${when}`, async (t) => {
        const first = agentIn(t, state);
        for (const kind of kinds) first.script.on(kind, unable);
        const givenUp = () => first.findings.filter(({ kind }) => kind === 'effect_given_up').length;
        // A patch: its report, itself, and the report that it has failed. A base: its report, both its effects.
        await first.lives(() => givenUp() >= 3);
        let agent = first;
        if (when === 'after a restart') {
          await first.runner.stop();
          agent = agentOn(t, first.home);
        }
        for (const kind of kinds) agent.script.on(kind, heal);
        if (agent === first) agent.anHourPasses();
        else agent.runner.start();
        if (state === 'APPLYING_PATCH') {
          await agent.reaches('WAIT_CONFIRM_BASE');
          await agent.runner.submit({ type: 'boot_fwupd' });
        }
        await agent.reaches('READY');
        await agent.lives(() => agent.journal.effects().length === 0);
      });
    }
  }

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

describe('an outbox without room', { timeout: 10_000 }, () => {
  test('holds up no confirmed patch, counts as no attempt, and changes nothing of the order in which the cloud is told', async (t) => {
    const sleep: RunnerOptions['sleep'] = (ms, signal) =>
      ms > 60_000 ? untilStopped(ms, signal) : setImmediate();
    const { script, journal, lives, findings } = agentIn(t, 'APPLYING_PATCH', { maxAttempts: 3, sleep });
    const full = { kind: 'later', reason: 'the outbox is full' } as const;
    let looks = 0;
    script.on('report', async () => {
      looks += 1;
      return full;
    });
    script.on('apply_patch', resulting({ type: 'integrity_ok', manifestDigest: patchDigest }));
    await lives(() => journal.snapshot().state === 'READY' && looks > 20);
    assert.ok(!script.calls.some(({ kind }) => kind === 'discard' || kind === 'ask_assignment'));
    assert.deepEqual(
      journal.effects().map(({ effect, setAside }) => [effect.kind, setAside]),
      ['report', 'report', 'discard', 'ask_assignment'].map((kind) => [kind, false]),
    );
    assert.deepEqual(
      findings.map(({ kind }) => kind),
      ['disk_full'],
    );
    script.on('report', async () => done);
    await lives(() => journal.effects().length === 0);
    const told = script.calls.slice(-4);
    assert.deepEqual(
      told.map(({ effect }) => (effect.kind === 'report' ? effect.report.kind : effect.kind)),
      ['decided', 'ended', 'discard', 'ask_assignment'],
    );
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
});
