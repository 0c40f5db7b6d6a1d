import assert from 'node:assert/strict';
import { appendFileSync, chmodSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { type Component, ComponentSchema, PackageManager } from '@iotdh/proto/update/v1';
import { createBench, temporaryFolder } from '../testing/bench.ts';
import { restorePrevious } from '../testing/pack.ts';
import { realClock } from '../testing/real-clock.ts';
import { createApt } from './apt.ts';

const signal = new AbortController().signal;
const limits = { timeLimitMs: 20_000, signal, operation: 'job/apply' };

/** apt-get, dpkg-query and dpkg whose packages are files; what they print is what Debian 12's print. */
function createPretendApt(t: TestContext, installed: Record<string, string>) {
  const folder = temporaryFolder(t);
  cpSync(join(import.meta.dirname, 'testing'), join(folder, 'bin'), { recursive: true });
  for (const program of ['apt-get', 'dpkg-query', 'dpkg']) chmodSync(join(folder, 'bin', program), 0o755);
  mkdirSync(join(folder, 'packages'));
  for (const [name, version] of Object.entries(installed))
    writeFileSync(join(folder, 'packages', name), version);
  const apt = createApt({
    clock: realClock,
    redact: (text) => text,
    outputPath: join(folder, 'output'),
    path: `${join(folder, 'bin')}:/usr/bin:/bin`,
  });
  const calls = () => readFileSync(join(folder, 'calls'), 'utf8').trim().split('\n');
  return { folder, apt, calls };
}

function packages(
  id: string,
  versions: Record<string, string>,
  manager: PackageManager = PackageManager.APT,
): Component {
  return create(ComponentSchema, {
    id,
    title: 'Packages',
    undo: restorePrevious,
    kind: {
      case: 'operatingSystemBuild',
      value: {
        target: {
          case: 'linux',
          value: {
            manager,
            packages: Object.entries(versions).map(([name, version]) => ({ name, version })),
          },
        },
        timeLimit: durationFromMs(20_000),
      },
    },
  });
}

test('a package is installed at its exact version, and only what dpkg calls installed has a version', async (t) => {
  const { apt, calls, folder } = createPretendApt(t, { tool: '1.0-1' });
  assert.equal(await apt.versionOf('tool', signal), '1.0-1');
  assert.equal(await apt.versionOf('other', signal), null);
  assert.equal(await apt.versionOf('Carto 3', signal), null);
  writeFileSync(join(folder, 'packages', 'removed'), '');
  assert.equal(await apt.versionOf('removed', signal), null);

  const end = await apt.install([{ name: 'tool', version: '2.0-1' }], { ...limits, allowDowngrades: false });
  assert.equal(end.kind, 'done');
  assert.equal(await apt.versionOf('tool', signal), '2.0-1');
  assert.deepEqual(calls(), [
    'apt-get noninteractive install -y -q -o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -- tool=2.0-1',
  ]);
});

test('simulating names every package that would change, with what it is now', async (t) => {
  const { apt, folder } = createPretendApt(t, { tool: '1.0-1', libtool: '0.9' });
  writeFileSync(join(folder, 'needs'), 'libtool=1.1\nnewlib=3.0');
  assert.deepEqual(await apt.simulate([{ name: 'tool', version: '2.0-1' }], limits), {
    kind: 'simulated',
    before: [
      { name: 'libtool', version: '0.9' },
      { name: 'newlib', version: null },
      { name: 'tool', version: '1.0-1' },
    ],
  });
  assert.equal(await apt.versionOf('tool', signal), '1.0-1');
});

test('packages that a cut-short run has left half configured are configured first', async (t) => {
  const { apt, folder, calls } = createPretendApt(t, { tool: '1.0' });
  writeFileSync(join(folder, 'interrupted'), '');
  const end = await apt.install([{ name: 'tool', version: '2.0' }], { ...limits, allowDowngrades: false });
  assert.equal(end.kind, 'done');
  assert.deepEqual(
    calls().map((call) => call.split(' ')[0]),
    ['apt-get', 'dpkg', 'apt-get'],
  );
});

test('a component of packages is applied, and taken back to what was there, dependencies included', async (t) => {
  const { apt, folder, calls } = createPretendApt(t, { tool: '1.0', libtool: '0.9' });
  writeFileSync(join(folder, 'needs'), 'libtool=1.1\nnewlib=3.0');
  const { author, apply } = createBench(t, { updateServices: { apt } });
  const outcome = await apply(
    author.manifest([
      packages('os', { tool: '2.0' }),
      author.automation('later', [author.script('exit 1')], {
        undo: { kind: { case: 'script', value: author.script('exit 0') } },
      }),
    ]),
  );
  assert.ok(outcome.kind === 'fault' && outcome.takenBack);
  assert.equal(await apt.versionOf('tool', signal), '1.0');
  assert.equal(await apt.versionOf('libtool', signal), '0.9');
  assert.equal(await apt.versionOf('newlib', signal), null);
  assert.match(calls().at(-1) ?? '', /--allow-downgrades -- libtool=0.9 newlib- tool=1.0$/);
});

test('a version that no repository has fails before anything changes', async (t) => {
  const { apt, folder, calls } = createPretendApt(t, { tool: '1.0' });
  appendFileSync(join(folder, 'unknown'), 'tool=9.9\n');
  const { author, apply } = createBench(t, { updateServices: { apt } });
  const outcome = await apply(author.manifest([packages('os', { tool: '9.9' })]));
  assert.ok(outcome.kind === 'fault' && outcome.takenBack);
  assert.equal(outcome.reason, 'os (Packages), apply: apt-get install (simulated) exited with 100');
  assert.ok(
    outcome.steps.some(({ outputTail }) => outputTail.includes("Version '9.9' for 'tool' was not found")),
  );
  assert.deepEqual(
    calls().filter((call) => !call.includes(' -s ') && !call.includes(' update ')),
    [],
  );
});

test('dnf is refused with its reason, and apt where there is none', async (t) => {
  const { author, installer } = createBench(t);
  assert.deepEqual(
    await installer.preflight(author.manifest([packages('os', { a: '1' }, PackageManager.DNF)])),
    {
      kind: 'unmet',
      reason: 'os (Packages): this agent does not drive dnf yet; it drives apt',
    },
  );
  assert.deepEqual(await installer.preflight(author.manifest([packages('os', { a: '1' })])), {
    kind: 'unmet',
    reason: 'os (Packages): this machine has no apt',
  });
});
