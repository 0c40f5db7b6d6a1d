import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type FailPoint, failPoints } from './fail-point.ts';
import { type Workstation, workstationIn } from './testing/workstation.ts';

const victim = join(import.meta.dirname, 'testing', 'victim.ts');

/**
 * Kills the agent once at each place where it passes one of these points, with the whole machine or alone. Returns whether
 * the base was proven, the places, and the system that runs in the end.
 */
async function lives(
  t: TestContext,
  points: readonly FailPoint[],
  killed: 'with the machine' | 'alone',
): Promise<{ proven: boolean; deaths: string[]; system: string; station: Workstation }> {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-slots-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const station = workstationIn(folder);
  for (let life = 0; life < 40; life += 1) {
    const child = spawn(process.execPath, [victim, folder, points.join(',')], {
      env: { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), 'iotdh-slots-compile-cache') },
      stdio: ['ignore', 'ignore', 'inherit'],
      signal: t.signal,
      killSignal: 'SIGKILL',
    });
    const [code, signal] = await once(child, 'close');
    assert.ok(signal === 'SIGKILL' || [0, 2, 3].includes(code), `it ended with ${code ?? signal}`);
    if (code === 0 || code === 2) {
      station.boot();
      const deaths = readFileSync(join(folder, 'deaths'), 'utf8').trim().split('\n');
      return { proven: code === 0, deaths, system: station.running(), station };
    }
    if (signal === 'SIGKILL' && killed === 'alone') continue;
    if (signal === 'SIGKILL') station.scramble();
    station.boot();
  }
  throw new Error('it never came to an end');
}

const onTrial: readonly FailPoint[] = ['before_checks', 'checks_passed'];

test('killed at every point before and after the trial, the agent brings the base to its good end', async (t) => {
  const points = failPoints.filter((point) => !onTrial.includes(point));
  const { proven, deaths, system, station } = await lives(t, points, 'with the machine');
  assert.ok(proven);
  assert.equal(system, 'new');
  const places = [
    'slot_void',
    'image_flushed data',
    'partition_recorded boot',
    'slot_whole',
    'slot_armed',
    'marked_good',
  ];
  for (const place of places) assert.ok(deaths.includes(place), `it did not die at ${place}`);

  // Nobody knows what wrote slot a; slot b's partitions hold what they are known to hold.
  const held = await station.slots().images();
  const known = held.filter(({ image }) => image !== null);
  assert.deepEqual(
    known.map(({ partition, path }) => [partition, path]),
    ['boot', 'data'].map((name) => [name, join(station.folder, 'slots', 'b', `${name}.img`)]),
  );
  for (const { path, image } of known) {
    const bytes = readFileSync(path).subarray(0, image?.size);
    assert.equal(createHash('sha256').update(bytes).digest('hex'), image?.digest);
  }
});

test('killed while the new system is on trial, the machine is back on the system before', async (t) => {
  const { proven, deaths, system } = await lives(t, ['checks_passed'], 'with the machine');
  assert.equal(proven, false);
  assert.equal(system, 'old');
  assert.deepEqual(deaths, ['checks_passed']);
});

test('killed alone, the agent proves the new system all the same', async (t) => {
  const { proven, deaths, system } = await lives(t, ['slot_armed', ...onTrial, 'marked_good'], 'alone');
  assert.ok(proven);
  assert.equal(system, 'new');
  assert.deepEqual(deaths, ['slot_armed', ...onTrial, 'marked_good']);
});
