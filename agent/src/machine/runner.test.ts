import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { EffectContext } from './effect.ts';
import { agentIn, agentOn, baseDigest, patchDigest, resulting } from './testing/agent.ts';
import { journalFor } from './testing/journal.ts';
import { done, untilAborted } from './testing/ports.ts';
import { diskFor, samplePack } from './testing/samples.ts';
import type { Disk } from './update.ts';

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
