import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { OperatingSystem, type RequirementsSchema } from '@iotdh/proto/update/v1';
import type { MachineFacts } from './ports.ts';
import { createBench, temporaryFolder } from './testing/bench.ts';
import { openMachine } from './testing/machine.ts';
import { compareVersions } from './versions.ts';

test('versions are compared part by part, numbers as numbers', () => {
  const ascending = [
    '1.0~rc1',
    '1.0',
    '1.2',
    '1.10',
    '1.10.1',
    '2.0-beta',
    '2.0',
    '10.0.26100.2314',
    '10.0.26100.10000',
  ];
  for (const [index, version] of ascending.entries()) {
    for (const [other, against] of ascending.entries()) {
      assert.equal(
        Math.sign(compareVersions(version, against)),
        Math.sign(index - other),
        `${version} and ${against}`,
      );
    }
  }
  assert.equal(compareVersions('1.2', '1.2.0'), 0);
  assert.equal(compareVersions('007', '7'), 0);
});

type Requirements = MessageInitShape<typeof RequirementsSchema>;
const carto = (version: string) => ({ product: 'Carto', version });

test('each requirement refuses with its reason, and a machine that has everything is let through', async (t) => {
  const { facts } = openMachine(temporaryFolder(t));
  const poor: Partial<MachineFacts> = {
    freeDisk: () => Promise.resolve({ fileSystem: '1', bytes: 5 }),
    freeMemoryBytes: () => Promise.resolve(10),
    onMainsPower: () => Promise.resolve(false),
  };
  const cases: [Requirements, Partial<MachineFacts>, RegExp | null][] = [
    [{}, {}, null],
    [{ platforms: [{ operatingSystem: OperatingSystem.LINUX, model: 'Velys 2' }] }, {}, null],
    [
      { platforms: [{ operatingSystem: OperatingSystem.WINDOWS }] },
      {},
      /not made for this machine \(linux debian-12 x64 Velys 2\)/,
    ],
    [{ versionFloors: [carto('7.9')] }, {}, null],
    [{ versionFloors: [carto('7.11')] }, {}, /needs Carto 7\.11 or higher; 7\.10 is installed/],
    [
      { versionFloors: [{ product: 'Velys', version: '1' }] },
      {},
      /needs Velys 1 or higher; none is installed/,
    ],
    [{ mustPassThrough: [carto('7.0'), carto('8.0')] }, {}, /Carto 8\.0 has to come first/],
    [
      { validatedCombinations: [{ products: [carto('7.10'), { product: 'app', version: '2.0' }] }] },
      {},
      null,
    ],
    [
      { validatedCombinations: [{ products: [{ product: 'app', version: '1.0' }] }] },
      {},
      /not validated together/,
    ],
    [{ freeDiskBytes: 6n }, poor, /needs 6 bytes free where .* is; 5 are/],
    [{}, poor, /needs 8 bytes free/],
    [{ freeMemoryBytes: 11n, freeDiskBytes: 1n }, poor, /needs 11 bytes of memory; 10 are free/],
    [{ mainsPower: true, freeDiskBytes: 1n }, poor, /needs mains power/],
  ];
  for (const [requirements, changes, reason] of cases) {
    const { machine, author, installer } = createBench(t, { facts: { ...facts, ...changes } });
    await machine.products.set('Carto', '7.10');
    const end = await installer.preflight(
      author.manifest([author.files('app', { x: 'four' })], requirements),
    );
    if (reason === null) assert.deepEqual(end, { kind: 'met' });
    else {
      assert.ok(end.kind === 'unmet', String(reason));
      assert.match(end.reason, reason);
    }
  }
});

test('what this machine or this agent cannot do is refused', async (t) => {
  const { author, installer } = createBench(t);
  const restart = { kind: { case: 'restartMachine' as const, value: {} } };
  const refused = async (...components: Parameters<typeof author.manifest>[0]) => {
    const end = await installer.preflight(author.manifest(components));
    return end.kind === 'unmet' ? end.reason : 'met';
  };
  assert.match(await refused(author.files('app', {}, { root: 'elsewhere' })), /no install root "elsewhere"/);
  assert.match(await refused(author.files('app', {}, { root: 'constructor' })), /no install root/);
  assert.match(
    await refused(
      author.files('a', {}, { followUps: [restart] }),
      author.files('b', {}, { followUps: [restart], root: 'tool' }),
    ),
    /more than one component asks for a restart/,
  );
  const restoring = { undo: { kind: { case: 'restorePrevious' as const, value: {} } } };
  assert.match(
    await refused(author.automation('f', [author.script('exit 0')], restoring)),
    /^f \(What f does\): the agent does not know what scripts change/,
  );
});

test('a requirement that may be met later does not end the job, and one that may not does', async (t) => {
  let onMains = false;
  const { facts } = openMachine(temporaryFolder(t));
  const { author, apply } = createBench(t, {
    facts: { ...facts, onMainsPower: () => Promise.resolve(onMains) },
  });
  const manifest = author.manifest([author.files('app', { x: '1' })], { mainsPower: true });
  assert.deepEqual(await apply(manifest), {
    kind: 'failed',
    reason: 'it needs mains power, and the machine is on battery',
    passing: true,
  });
  onMains = true;
  assert.equal((await apply(manifest)).kind, 'applied');
});
