import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createLinuxFacts } from './linux-facts.ts';
import { createLinuxHost } from './linux-host.ts';
import type { RunEnd, RunProgram } from './process-group.ts';
import { realClock } from './real-clock.ts';
import { temporaryFolder } from './testing/bench.ts';
import { openMachine } from './testing/machine.ts';
import { plant } from './testing/tree.ts';

const signal = new AbortController().signal;

function hostThat(t: TestContext, end: RunEnd) {
  const commands: string[] = [];
  const run: RunProgram = ({ file, args }) => {
    commands.push([file, ...args].join(' '));
    return Promise.resolve(end);
  };
  const bootIdPath = join(temporaryFolder(t), 'boot_id');
  writeFileSync(bootIdPath, '5f0a\n');
  return { host: createLinuxHost({ clock: realClock, redact: (text) => text, bootIdPath, run }), commands };
}

test('services and the machine are restarted by systemd, and its exit code is told', async (t) => {
  const { host, commands } = hostThat(t, { kind: 'exited', exitCode: 0, output: '', stdout: '' });
  assert.equal((await host.restartService('carto.service', signal)).kind, 'done');
  assert.equal((await host.restartMachine()).kind, 'done');
  assert.equal(await host.bootId(), '5f0a');
  assert.deepEqual(commands, [
    'systemctl --no-ask-password restart -- carto.service',
    'systemctl --no-ask-password reboot',
  ]);
  const broken = hostThat(t, { kind: 'exited', exitCode: 5, output: 'Unit carto not found.', stdout: '' });
  assert.deepEqual(await broken.host.restartService('carto', signal), {
    kind: 'failed',
    reason: 'systemctl restart -- carto exited with 5',
    exitCode: 5,
    output: 'Unit carto not found.',
  });
});

test('a machine is on mains power when an adapter says so, or when it has no battery of its own', async (t) => {
  const cases: [Record<string, string>, boolean][] = [
    [{}, true],
    [{ 'BAT0/type': 'Battery\n' }, false],
    [{ 'BAT0/type': 'Battery\n', 'AC/type': 'Mains\n', 'AC/online': '1\n' }, true],
    [{ 'BAT0/type': 'Battery\n', 'AC/type': 'Mains\n', 'AC/online': '0\n' }, false],
    [{ 'mouse/type': 'Battery\n', 'mouse/scope': 'Device\n' }, true],
  ];
  const { facts } = openMachine(temporaryFolder(t));
  for (const [files, onMains] of cases) {
    const powerSupplies = temporaryFolder(t);
    plant(powerSupplies, files);
    const linux = createLinuxFacts({ platform: facts.platform, powerSupplies });
    assert.equal(await linux.onMainsPower(), onMains, JSON.stringify(files));
  }
  const none = createLinuxFacts({ platform: facts.platform, powerSupplies: '/nonexistent' });
  assert.equal(await none.onMainsPower(), true);
});

test("free memory and disk are the machine's, also for a path that does not exist yet", async (t) => {
  const folder = temporaryFolder(t);
  const memoryInfo = join(folder, 'meminfo');
  writeFileSync(
    memoryInfo,
    'MemTotal:       16000000 kB\nMemFree:          100 kB\nMemAvailable:   8000 kB\n',
  );
  const linux = createLinuxFacts({ platform: openMachine(folder).facts.platform, memoryInfo });
  assert.equal(await linux.freeMemoryBytes(), 8000 * 1024);
  const there = await linux.freeDisk(folder);
  assert.ok(there.bytes > 0);
  assert.equal((await linux.freeDisk(join(folder, 'a', 'b'))).fileSystem, there.fileSystem);
});
