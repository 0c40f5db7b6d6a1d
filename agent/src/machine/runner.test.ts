import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { Effect, EffectContext } from './effect.ts';
import type { Finding } from './effect-lane.ts';
import type { MachineEvent, ResultEvent } from './event.ts';
import type { Journal } from './journal.ts';
import { createMachine, type Machine } from './machine.ts';
import { createRunner, type Runner, type RunnerOptions } from './runner.ts';
import type { State } from './table.ts';
import { journalFor, type TestJournal } from './testing/journal.ts';
import { done, type ScriptedPorts, scriptPorts, untilAborted } from './testing/ports.ts';
import { diskFor, eventFor, samplePack, snapshotIn } from './testing/samples.ts';
import type { Disk } from './update.ts';

const patchDigest = samplePack().patch.digest;
const baseDigest = samplePack().base.digest;

/** Told from every other sleep by its length. */
const graceMs = 4321;

/** A port that results in this event. */
const resulting = (event: ResultEvent) => async () => ({ kind: 'event', event }) as const;
const failing = async () => ({ kind: 'failed', reason: 'it did not work' }) as const;

type Agent = {
  home: TestJournal;
  journal: Journal;
  machine: Machine;
  runner: Runner;
  script: ScriptedPorts;
  findings: Finding[];
  sleeps: number[];
  /** Resolves once the machine is in this state. */
  reaches(state: State): Promise<void>;
};

/** An agent on this journal, started; its sleeps are over at once. */
function agentOn(t: TestContext, home: TestJournal, options: Partial<RunnerOptions> = {}): Agent {
  const { journal } = home;
  const machine = createMachine({ journal, now: () => 0 });
  const script = scriptPorts();
  const findings: Finding[] = [];
  const sleeps: number[] = [];
  const runner = createRunner({
    journal,
    machine,
    ports: script.ports,
    survey: async () => diskFor('no_patch_no_base'),
    // The grace of `stop` is the one sleep that must not be over at once.
    sleep: (ms, signal) => {
      sleeps.push(ms);
      return ms === graceMs
        ? new Promise((resolve) => signal.addEventListener('abort', () => resolve()))
        : Promise.resolve();
    },
    onFinding: (finding) => findings.push(finding),
    graceMs,
    ...options,
  });
  home.beforeClose(() => runner.stop());

  async function reaches(state: State): Promise<void> {
    const cursor = machine.cursor();
    if (machine.snapshot().state === state) return;
    for await (const item of machine.changes(cursor, t.signal)) {
      if (item.kind === 'changed' && item.change.to === state) return;
    }
  }
  return { home, journal, machine, runner, script, findings, sleeps, reaches };
}

/** A started agent whose journal says that it is in `state`, and owes what entering that state owes. */
function agentIn(t: TestContext, state: State, options: Partial<RunnerOptions> = {}): Agent {
  const home = journalFor(t);
  const before: Partial<Record<State, [State, MachineEvent['type']]>> = {
    INTRANSIT_PATCH: ['READY', 'cloud_cmdupgrade'],
    READY_WITHPATCH: ['INTRANSIT_PATCH', 'transfer_complete'],
    APPLYING_PATCH: ['WAIT_CONFIRM_PATCH', 'sdk_confirmpatch'],
    APPLYING_BASE: ['WAIT_CONFIRM_BASE', 'sdk_confirmbase'],
  };
  const [from, event] = before[state] ?? [state, null];
  home.journal.write({ snapshot: snapshotIn(from) });
  const agent = agentOn(t, home, options);
  if (event !== null) agent.machine.accept(eventFor(event, snapshotIn(from)));
  return agent;
}

test('a service pack goes through every state to READY, and each effect is executed once, in order', {
  timeout: 10_000,
}, async (t) => {
  const { runner, script, machine, reaches } = agentOn(t, journalFor(t));
  script.on('start_transfer', resulting({ type: 'transfer_complete', manifestDigest: patchDigest }));
  script.on('prompt', resulting({ type: 'prompt_issued', manifestDigest: patchDigest }));
  script.on('apply_patch', resulting({ type: 'integrity_ok', manifestDigest: patchDigest }));
  runner.start();
  await runner.submit({ type: 'sdk_cmdready' });
  await runner.submit({ type: 'cloud_cmdupgrade', pack: samplePack() });
  await reaches('WAIT_CONFIRM_PATCH');
  const asked = script.called('ask_assignment');
  await runner.submit({ type: 'sdk_confirmpatch', manifestDigest: patchDigest, person: 'Dr. Sample' });
  await asked;
  assert.equal(machine.snapshot().state, 'READY');
  assert.deepEqual(
    script.calls.map(({ kind }) => kind),
    [
      'ask_assignment',
      'start_transfer',
      'prompt',
      'report',
      'apply_patch',
      'report',
      'discard',
      'ask_assignment',
    ],
  );
  assert.ok(script.calls.every(({ attempt }) => attempt === 1));
  assert.equal(new Set(script.calls.map(({ id }) => id)).size, script.calls.length);
});

test('a patch that fails its check falls back to the base', { timeout: 10_000 }, async (t) => {
  const { runner, script, reaches } = agentIn(t, 'APPLYING_PATCH');
  const fault = { type: 'integrity_fault', manifestDigest: patchDigest, reason: 'a file differs' } as const;
  script.on('apply_patch', resulting(fault));
  script.on('start_transfer', resulting({ type: 'transfer_complete', manifestDigest: baseDigest }));
  script.on('prompt', resulting({ type: 'prompt_issued', manifestDigest: baseDigest }));
  script.on('arm_slot', resulting({ type: 'boot_sys', manifestDigest: baseDigest, proven: true }));
  runner.start();
  await reaches('WAIT_CONFIRM_BASE');
  await runner.submit({ type: 'boot_fwupd' });
  await reaches('READY');
  const kinds = script.calls.map(({ kind }) => kind);
  assert.deepEqual(kinds.slice(kinds.indexOf('apply_base')).slice(0, 2), ['apply_base', 'arm_slot']);
});

describe('the host application comes first', { timeout: 10_000 }, () => {
  test('busy aborts the transfer, is answered before the transfer has settled, and then has it stopped', async (t) => {
    const { runner, script } = agentIn(t, 'INTRANSIT_PATCH');
    const settled = Promise.withResolvers<void>();
    let aborted = false;
    script.on('start_transfer', async (_effect, { signal }) => {
      signal.addEventListener('abort', () => {
        aborted = true;
      });
      await settled.promise;
      return { kind: 'failed', reason: 'interrupted' };
    });
    const begun = script.called('start_transfer');
    const stopped = script.called('stop_transfer');
    runner.start();
    await begun;
    const answer = await runner.submit({ type: 'sdk_cmdbusy' });
    assert.ok(answer.kind === 'moved' && answer.change.to === 'BUSY');
    assert.ok(aborted);
    assert.ok(!script.calls.some(({ kind }) => kind === 'stop_transfer'));
    settled.resolve();
    await stopped;
  });

  test('the result of an activity that was overtaken is ignored, even where it would fit again', async (t) => {
    const survey = async () => diskFor('has_partpatch');
    const { runner, script, machine, findings } = agentIn(t, 'INTRANSIT_PATCH', { survey });
    const settle = Promise.withResolvers<void>();
    script.on('start_transfer', async () => {
      await settle.promise;
      return { kind: 'event', event: { type: 'transfer_complete', manifestDigest: patchDigest } };
    });
    const begun = script.called('start_transfer');
    runner.start();
    await begun;
    await runner.submit({ type: 'sdk_cmdbusy' });
    await runner.submit({ type: 'sdk_cmdready' });
    assert.equal(machine.snapshot().state, 'INTRANSIT_PATCH');
    script.on('start_transfer', untilAborted);
    const begunAgain = script.called('start_transfer');
    settle.resolve();
    await begunAgain;
    assert.equal(machine.snapshot().state, 'INTRANSIT_PATCH');
    assert.deepEqual(
      script.calls.map(({ kind }) => kind),
      ['start_transfer', 'stop_transfer', 'start_transfer'],
    );
    assert.deepEqual(findings, []);
  });

  test('busy is refused at once while a patch is being applied', async (t) => {
    const { runner, script, machine } = agentIn(t, 'APPLYING_PATCH');
    const begun = script.called('apply_patch');
    runner.start();
    await begun;
    assert.deepEqual(await runner.submit({ type: 'sdk_cmdbusy' }), {
      kind: 'refused',
      state: 'APPLYING_PATCH',
      event: 'sdk_cmdbusy',
      reason: 'applying',
    });
    assert.equal(machine.snapshot().state, 'APPLYING_PATCH');
  });

  test('commands count in the order in which they were given, however long the disk takes', async (t) => {
    const surveyed = Promise.withResolvers<Disk>();
    const { runner, machine } = agentIn(t, 'BUSY', { survey: () => surveyed.promise });
    runner.start();
    const answers = [runner.submit({ type: 'sdk_cmdready' }), runner.submit({ type: 'sdk_cmdbusy' })];
    surveyed.resolve(diskFor('has_patch'));
    assert.deepEqual(
      (await Promise.all(answers)).map(({ kind }) => kind),
      ['moved', 'moved'],
    );
    assert.equal(machine.snapshot().state, 'BUSY');
  });

  test('a disk that cannot be read refuses that one command and says why', async (t) => {
    const disks = [Promise.reject(new Error('input/output error')), Promise.resolve(diskFor('has_partbase'))];
    const survey = async (): Promise<Disk> => disks.shift() ?? diskFor('no_patch_no_base');
    const { runner, findings, machine } = agentIn(t, 'BUSY', { survey });
    const answer = await runner.submit({ type: 'sdk_cmdready' });
    assert.deepEqual(answer, { kind: 'unavailable', reason: 'disk_unreadable' });
    assert.deepEqual(findings, [{ kind: 'disk_unreadable', reason: 'input/output error' }]);
    assert.equal((await runner.submit({ type: 'sdk_cmdready' })).kind, 'moved');
    assert.equal(machine.snapshot().state, 'INTRANSIT_BASE');
  });
});

describe('after a crash', { timeout: 10_000 }, () => {
  test('an effect whose end is not written is executed again with the same id', async (t) => {
    const first = agentIn(t, 'APPLYING_PATCH', { graceMs: 0 });
    first.script.on('apply_patch', () => new Promise(() => {}));
    const begun = first.script.called('apply_patch');
    first.runner.start();
    const before = await begun;

    const second = agentOn(t, first.home);
    second.script.on('apply_patch', resulting({ type: 'integrity_ok', manifestDigest: patchDigest }));
    second.runner.start();
    await second.reaches('READY');
    const [again] = second.script.calls;
    assert.deepEqual(again, { ...before, attempt: 2 });
    assert.equal(second.script.calls.filter(({ kind }) => kind === 'report').length, 1);
  });

  test('an effect that ended is not executed again', async (t) => {
    const first = agentIn(t, 'APPLYING_BASE', { graceMs: 0 });
    first.script.on('arm_slot', () => new Promise(() => {}));
    const armed = first.script.called('arm_slot');
    first.runner.start();
    await armed;
    const second = agentOn(t, first.home);
    const again = second.script.called('arm_slot');
    second.runner.start();
    await again;
    assert.deepEqual(
      second.script.calls.map(({ kind }) => kind),
      ['arm_slot'],
    );
  });
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

describe('stopping', { timeout: 10_000 }, () => {
  test('aborts the running effect, waits for it, and takes no more events', async (t) => {
    const { runner, script } = agentIn(t, 'INTRANSIT_PATCH');
    let over = false;
    script.on('start_transfer', async (effect, context) => {
      const result = await untilAborted(effect, context);
      over = true;
      return result;
    });
    const begun = script.called('start_transfer');
    runner.start();
    await begun;
    await runner.stop();
    assert.ok(over);
    await runner.stopped;
    const answer = await runner.submit({ type: 'sdk_cmdbusy' });
    assert.deepEqual(answer, { kind: 'unavailable', reason: 'stopping' });
  });

  test('keeps a result that came in time', async (t) => {
    const { runner, script, machine } = agentIn(t, 'APPLYING_PATCH');
    script.on('apply_patch', async (effect, context) => {
      await untilAborted(effect, context);
      return { kind: 'event', event: { type: 'integrity_ok', manifestDigest: patchDigest } };
    });
    const begun = script.called('apply_patch');
    runner.start();
    await begun;
    await runner.stop();
    assert.equal(machine.snapshot().state, 'READY');
  });

  test('abandons an effect that does not heed its signal, and writes nothing more for it', async (t) => {
    const { runner, script, findings, journal } = agentIn(t, 'APPLYING_PATCH', { graceMs: 0 });
    const settle = Promise.withResolvers<void>();
    let given: EffectContext | undefined;
    script.on('apply_patch', async (_effect, context) => {
      given = context;
      await settle.promise;
      return { kind: 'event', event: { type: 'integrity_ok', manifestDigest: patchDigest } };
    });
    const begun = script.called('apply_patch');
    runner.start();
    await begun;
    await runner.stop();
    assert.deepEqual(
      findings.map(({ kind }) => kind),
      ['effect_abandoned'],
    );
    journal.close();
    given?.progress();
    settle.resolve();
    await runner.stopped;
  });

  test('works by signal, before the start as after it', async (t) => {
    const early = agentIn(t, 'INTRANSIT_PATCH');
    early.runner.start(AbortSignal.abort());
    await early.runner.stopped;
    const later = agentIn(t, 'INTRANSIT_PATCH');
    const abort = new AbortController();
    const begun = later.script.called('start_transfer');
    later.runner.start(abort.signal);
    await begun;
    abort.abort();
    await later.runner.stopped;
  });

  test('needs no start', async (t) => {
    const { runner } = agentIn(t, 'READY');
    await runner.stop();
    await runner.stopped;
  });
});

test('a journal that can no longer be written ends the runner with the reason', {
  timeout: 10_000,
}, async (t) => {
  const { home, journal } = agentIn(t, 'APPLYING_PATCH');
  const { runner, script } = agentOn(t, home);
  script.on('apply_patch', async () => {
    journal.close();
    return done;
  });
  runner.start();
  await assert.rejects(runner.stopped);
});
