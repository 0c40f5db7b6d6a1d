import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { type FailPoint, failPoints } from './fail-point.ts';
import { temporaryFolder } from './testing/bench.ts';
import { installOn, openMachine, type PretendMachine } from './testing/machine.ts';
import { assertWhole, type Fate, prepareMachine, writePatch } from './testing/scenario.ts';

async function freshMachine(t: TestContext): Promise<PretendMachine> {
  const machine = openMachine(temporaryFolder(t));
  await prepareMachine(machine);
  return machine;
}

function applyOn(machine: PretendMachine, fate: Fate, onFailPoint: (point: FailPoint) => void = () => {}) {
  const manifest = writePatch(machine, fate);
  const signal = new AbortController().signal;
  const job = { id: 'job', manifest, contentPath: machine.contentPath, signal, progress() {} };
  return installOn(machine, { onFailPoint }).apply(job);
}

/** The fail points that an undisturbed run passes, in order. */
async function tour(t: TestContext, fate: Fate): Promise<FailPoint[]> {
  const passed: FailPoint[] = [];
  const machine = await freshMachine(t);
  const outcome = await applyOn(machine, fate, (point) => passed.push(point));
  await assertWhole(machine, fate, outcome, 'undisturbed');
  return passed;
}

/** One victim that lives to its end leaves Node's compile cache here to the others, which die too early to write it. */
const compiled = join(tmpdir(), `iotdh-install-compiled-${process.pid}`);
before(async () => {
  mkdirSync(compiled);
  const machine = openMachine(join(compiled, 'machine'));
  await prepareMachine(machine);
  assert.equal(await killAt(machine, 'passes', 0), null);
});
after(() => rmSync(compiled, { recursive: true, force: true }));

/** Runs the patch in a process of its own that dies at its n-th fail point. */
async function killAt(machine: PretendMachine, fate: Fate, deathAt: number): Promise<string | null> {
  const args = [join(import.meta.dirname, 'testing', 'victim.ts'), machine.folder, fate, String(deathAt)];
  const victim = spawn(process.execPath, args, {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, NODE_COMPILE_CACHE: compiled },
  });
  const [, signal] = (await once(victim, 'exit')) as [number | null, string | null];
  return signal;
}

test('a machine that is killed at any fail point ends wholly new or wholly old', async (t) => {
  const tours = { passes: await tour(t, 'passes'), fails: await tour(t, 'fails') };
  const reached = new Set([...tours.passes, ...tours.fails]);
  const unreached = failPoints.filter((point) => !reached.has(point) && point !== 'version_noted');
  assert.deepEqual(unreached, [], 'the scenario passes every fail point that needs no update service');

  // One death at each point: by turns the first time on the way to success, and the last time, which is on the way back.
  const deaths = [...reached].map((point, index) => {
    const onTheWayBack = tours.fails.lastIndexOf(point);
    const onTheWay = tours.passes.indexOf(point);
    const fate: Fate = onTheWay < 0 || (index % 2 === 1 && onTheWayBack >= 0) ? 'fails' : 'passes';
    return { fate, point, deathAt: 1 + (fate === 'fails' ? onTheWayBack : onTheWay) };
  });

  async function dieAndGoOn({ fate, point, deathAt }: (typeof deaths)[number]): Promise<void> {
    const machine = await freshMachine(t);
    assert.equal(await killAt(machine, fate, deathAt), 'SIGKILL');
    const told = `killed at ${point}, number ${deathAt}, of a patch that ${fate}`;
    await assertWhole(machine, fate, await applyOn(machine, fate), told);
  }
  const rest = [...deaths];
  const work = async () => {
    for (let next = rest.pop(); next !== undefined; next = rest.pop()) await dieAndGoOn(next);
  };
  await Promise.all([work(), work(), work()]);
});

test('a machine that is killed again and again, also on the way back, ends wholly new or wholly old', async (t) => {
  const machine = await freshMachine(t);
  for (const deathAt of [31, 9, 12, 4]) assert.equal(await killAt(machine, 'fails', deathAt), 'SIGKILL');
  await assertWhole(machine, 'fails', await applyOn(machine, 'fails'), 'killed four times');
});
