import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { StepResult, UpdateStep } from '@iotdh/proto/bus/v1';
import type { ActivityResult, StepResult as Settled } from '../machine/effect.ts';
import type { BaseInstaller } from './base-installer.ts';
import { type FailPoint, failPoints } from './fail-point.ts';
import type { Prove } from './prove-system.ts';
import { stillClock, type Workstation, workstationIn } from './testing/workstation.ts';

const passes: Prove = async () => ({ kind: 'passed', steps: [] });
const fails: Prove = async () => ({ kind: 'failed', steps: [] });

function workstation(t: TestContext): Workstation {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-slots-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return workstationIn(folder);
}

/** The power is cut at the n-th fail point; counted over all lives. */
class PowerCut extends Error {}

type Lives = {
  proven: boolean;
  /** The fail points that were passed, over all lives. */
  passed: FailPoint[];
  installer: BaseInstaller;
};

/**
 * Lives through a base as the machine has it done: `apply_base` until it is done, then `arm_slot` until its event, with the
 * same ids over restarts and power cuts. `hangs`: the new system never gets as far as the agent. `givesUp`: with the cut.
 */
async function live(
  station: Workstation,
  options: { prove: Prove; cutAt?: number; hangs?: boolean; givesUp?: boolean },
): Promise<Lives> {
  const passed: FailPoint[] = [];
  let applied = false;
  let givenUp = false;
  for (let starts = 0; starts < 10; starts += 1) {
    if (options.hangs === true && station.running() === 'new') {
      station.boot();
      continue;
    }
    const down = new AbortController();
    const installer = station.installer({
      prove: options.prove,
      restart: () => down.abort(),
      onFailPoint(point) {
        passed.push(point);
        if (passed.length === options.cutAt) throw new PowerCut(point);
      },
    });
    try {
      if (!applied && !givenUp) {
        const end: Settled = await installer.applyBase(station.job('apply-1', down.signal));
        applied = end.kind === 'done';
        if (!applied && !down.signal.aborted) throw new Error(`not applied: ${JSON.stringify(end)}`);
      }
      if (applied || givenUp) {
        const job = station.job('arm-1', down.signal);
        const end: ActivityResult<'arm_slot'> = givenUp
          ? await installer.takeBack({ ...job, manifest: null })
          : await installer.arm(job);
        if (end.kind === 'event') return { proven: end.event.proven, passed, installer };
        assert.ok(down.signal.aborted, `not armed: ${end.reason}`);
      }
    } catch (error) {
      if (!(error instanceof PowerCut)) throw error;
      station.scramble();
      givenUp = options.givesUp === true;
    }
    station.boot();
  }
  throw new Error('it never came to an end');
}

/** The machine is where the outcome says, and would come up there again. */
async function settled(station: Workstation, proven: boolean): Promise<void> {
  const system = proven ? 'new' : 'old';
  assert.equal(station.running(), system);
  const { environment } = await station.slots().inspect();
  assert.equal(environment.trial, null);
  for (let i = 0; i < 3; i += 1) {
    station.boot();
    assert.equal(station.running(), system);
  }
}

test('a base that proves itself is kept, step by step reported, and its products are known', async (t) => {
  const station = workstation(t);
  const { proven, passed, installer } = await live(station, { prove: passes });
  assert.ok(proven);
  await settled(station, true);
  assert.deepEqual(
    installer.steps(station.manifestDigest).map(({ step, subject, result }) => [step, subject, result]),
    [
      [UpdateStep.STAGE, 'boot', StepResult.OK],
      [UpdateStep.STAGE, 'data', StepResult.OK],
      [UpdateStep.STAGE, 'scans', StepResult.SKIPPED],
      [UpdateStep.APPLY, '', StepResult.OK],
      [UpdateStep.COMMIT, '', StepResult.OK],
    ],
  );
  assert.equal(readFileSync(join(station.folder, 'product-System'), 'utf8'), '2.0');
  assert.deepEqual(new Set(passed), new Set(failPoints.filter((point) => point !== 'slot_condemned')));
  installer.forget(station.manifestDigest);
  assert.deepEqual(installer.steps(station.manifestDigest), []);
});

test('a base that fails its checks is left for the system before, and never started again', async (t) => {
  const station = workstation(t);
  const { proven, installer } = await live(station, { prove: fails });
  assert.equal(proven, false);
  await settled(station, false);
  assert.equal(installer.steps(station.manifestDigest).at(-1)?.step, UpdateStep.UNDO);
  assert.equal(existsSync(join(station.folder, 'product-System')), false);
});

test('a base that hangs before the agent starts is left at the next power cycle, and that is reported', async (t) => {
  const station = workstation(t);
  const { proven, installer } = await live(station, { prove: passes, hangs: true });
  assert.equal(proven, false);
  await settled(station, false);
  const check = installer.steps(station.manifestDigest).find(({ step }) => step === UpdateStep.CHECK);
  assert.match(check?.detail ?? '', /did not come up/);
});

describe('the power is cut at every point', { concurrency: 2 }, () => {
  for (const [name, prove] of [
    ['passes', passes],
    ['fails', fails],
  ] as const) {
    test(`of a base that ${name} its checks: the machine always comes up with a whole system`, async (t) => {
      const { passed } = await live(workstation(t), { prove });
      assert.ok(passed.length >= 12, `only ${passed.length} points`);
      for (let cutAt = 1; cutAt <= passed.length; cutAt += 1) {
        const station = workstation(t);
        const { proven } = await live(station, { prove, cutAt });
        await settled(station, proven);
        // Cut while it is on trial, a new system has lost its one boot, however good it is.
        const point = passed[cutAt - 1];
        const onTrial = point === 'before_checks' || point === 'checks_passed';
        assert.equal(proven, name === 'passes' && !onTrial, `cut at ${point}`);
      }
    });
  }
});

test('a base that is given up at any point is left for the system before, unless it was already kept', async (t) => {
  const { passed } = await live(workstation(t), { prove: passes });
  for (let cutAt = 1; cutAt <= passed.length; cutAt += 1) {
    const station = workstation(t);
    const { proven, installer } = await live(station, { prove: passes, cutAt, givesUp: true });
    assert.equal(proven, passed[cutAt - 1] === 'marked_good');
    await settled(station, proven);
    const last = installer.steps(station.manifestDigest).at(-1);
    assert.equal(last?.step, proven ? UpdateStep.COMMIT : UpdateStep.UNDO);
  }
});

test('asked again after its end, each effect answers the same and changes nothing', async (t) => {
  const station = workstation(t);
  const { installer } = await live(station, { prove: passes });
  const { environment } = await station.slots().inspect();
  const again = await installer.arm(station.job('arm-1', new AbortController().signal));
  assert.ok(again.kind === 'event' && again.event.proven);
  assert.deepEqual((await station.slots().inspect()).environment, environment);
});

test('a trial that nobody owes any more is given up before the slot is written again', async (t) => {
  const station = workstation(t);
  const down = new AbortController();
  const lost = station.installer({ prove: passes, restart: () => down.abort() });
  await lost.applyBase(station.job('apply-1', down.signal));
  await lost.arm(station.job('arm-1', down.signal));
  station.boot();
  assert.equal(station.running(), 'new');

  const back = new AbortController();
  const installer = station.installer({ prove: passes, restart: () => back.abort() });
  assert.equal((await installer.applyBase(station.job('apply-2', back.signal))).kind, 'failed');
  assert.ok(back.signal.aborted, 'the running slot is not written: the machine goes back first');
  station.boot();
  assert.equal(station.running(), 'old');
  assert.equal((await installer.applyBase(station.job('apply-2', down.signal))).kind, 'failed');
  const { signal } = new AbortController();
  assert.deepEqual(await installer.applyBase(station.job('apply-2', signal)), { kind: 'done' });
});

test('an image that differs from its digest never arms a slot', async (t) => {
  const station = workstation(t);
  const installer = station.installer({ prove: passes });
  const { signal } = new AbortController();
  const job = {
    ...station.job('apply-1', signal),
    contentPath: () => join(station.folder, 'contents', 'old'),
  };
  const end = await installer.applyBase(job);
  assert.ok(end.kind === 'failed' && /^boot: .*digest/.test(end.reason));
  const armed = await installer.arm(station.job('arm-1', signal));
  assert.equal(armed.kind, 'failed');
  station.boot();
  assert.equal(station.running(), 'old');
});

test('a machine that does not go down in time has failed, and is asked again', async (t) => {
  const station = workstation(t);
  const clock = stillClock();
  const { createRestart } = await import('./restart.ts');
  let asked = 0;
  const host = {
    bootId: async () => 'boot-1',
    async restartMachine() {
      asked += 1;
      queueMicrotask(() => queueMicrotask(() => clock.elapse()));
      return { kind: 'done' as const };
    },
  };
  const restart = createRestart({ host, clock, timeoutMs: 1 });
  const end = await restart({ id: 'job-1', signal: new AbortController().signal });
  assert.deepEqual(end, { kind: 'failed', reason: 'the machine did not restart' });
  assert.equal(asked, 1);
  assert.equal(station.running(), 'old');
});

test('before a byte moves, a machine without the partitions says so', async (t) => {
  const station = workstation(t);
  const installer = station.installer({ prove: passes });
  assert.deepEqual(await installer.preflight(station.manifest), { kind: 'met' });
  assert.ok(station.manifest.content.case === 'base');
  const [boot] = station.manifest.content.value.partitions;
  assert.ok(boot !== undefined);
  boot.minPartitionBytes = 1n << 40n;
  const large = await installer.preflight(station.manifest);
  assert.ok(large.kind === 'unmet' && /are needed/.test(large.reason));
  boot.name = 'system';
  const absent = await installer.preflight(station.manifest);
  assert.ok(absent.kind === 'unmet' && /no partition system/.test(absent.reason));
});
