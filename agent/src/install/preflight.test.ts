import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { ReportVersionRequestSchema } from '@iotdh/proto/agent/v1';
import {
  BaseSchema,
  ComponentSchema,
  ManifestSchema,
  OperatingSystem,
  PackageManager,
  PackageSetSchema,
  PartitionRole,
  type RequirementsSchema,
} from '@iotdh/proto/update/v1';
import { createInventory } from '../inventory/inventory.ts';
import type { Apt, MachineFacts } from './ports.ts';
import { createBench, temporaryFolder } from './testing/bench.ts';
import { openMachine } from './testing/machine.ts';

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
    reason: 'it needs mains power, and the machine is on battery: plug it in',
    passing: true,
  });
  onMains = true;
  assert.equal((await apply(manifest)).kind, 'applied');
});

test('everything that is not met is told together, and only what all of it may pass is waited for', async (t) => {
  const { facts } = openMachine(temporaryFolder(t));
  const poor = { freeMemoryBytes: () => Promise.resolve(10), onMainsPower: () => Promise.resolve(false) };
  const { author, installer } = createBench(t, { facts: { ...facts, ...poor } });
  const asked: Requirements = { freeMemoryBytes: 11n, mainsPower: true };
  const files = author.files('app', { x: 'four' });
  assert.deepEqual(await installer.preflight(author.manifest([files], asked)), {
    kind: 'unmet',
    reason:
      'it needs 11 bytes of memory; 10 are free: close programs; it needs mains power, and the machine is on battery: plug it in',
    passing: true,
  });
  const lasting = { ...asked, versionFloors: [carto('1'), { product: 'Velys', version: '2' }] };
  const end = await installer.preflight(author.manifest([files], lasting));
  assert.ok(end.kind === 'unmet' && end.passing === undefined);
  assert.match(
    end.reason,
    /^it needs Carto 1.*; it needs Velys 2.*; it needs 11 bytes.*; it needs mains power/,
  );
});

test('room is counted on each file system: what is carried, and what is staged beside each root', async (t) => {
  const machine = openMachine(temporaryFolder(t));
  // Of these, the root `tool` alone is on a disk of its own.
  const cases: [what: string, disks: [data: number, tool: number], carry: number, need: RegExp | null][] = [
    ['both fit to the byte', [100 + 8, 12], 100, null],
    [
      'the agent’s disk lacks a byte for what is carried and the stage beside it',
      [107, 12],
      100,
      /needs 108 bytes.*for 1 more$/,
    ],
    [
      'the other disk lacks a byte for its stage',
      [108, 11],
      100,
      /needs 12 bytes free where .*tool is; 11 are: make room for 1 more$/,
    ],
    ['both', [0, 0], 100, /needs 108 bytes.*; it needs 12 bytes/],
    ['once it is carried the stage alone counts', [8, 12], 0, null],
  ];
  for (const [what, [data, tool], carry, need] of cases) {
    const facts: MachineFacts = {
      ...machine.facts,
      freeDisk: (path) =>
        Promise.resolve(
          path.endsWith('/tool') ? { fileSystem: '2', bytes: tool } : { fileSystem: '1', bytes: data },
        ),
    };
    const { author, installer } = createBench(t, { facts });
    const manifest = author.manifest([
      author.files('a', { x: 'four' }),
      author.files('b', { y: 'sixsix' }, { root: 'tool' }),
    ]);
    const end = await installer.preflight(manifest, carry);
    if (need === null) assert.deepEqual(end, { kind: 'met' }, what);
    else {
      assert.ok(end.kind === 'unmet' && end.passing, what);
      assert.match(end.reason, need, what);
    }
  }
});

test('combinations are judged on what will be installed, and the nearest one is named', async (t) => {
  const { author, installer, machine } = createBench(t);
  await machine.products.set('Carto', '7.10');
  const together = (...products: [string, string][]) => ({
    products: products.map(([product, version]) => ({ product, version })),
  });
  const answer = async (...validatedCombinations: ReturnType<typeof together>[]) => {
    const manifest = author.manifest([author.files('app', { x: '1' })], { validatedCombinations });
    const end = await installer.preflight(manifest);
    return end.kind === 'met' ? 'met' : end.reason;
  };
  assert.equal(await answer(together(['app', '2.0'], ['Carto', '7.10.0'])), 'met');
  assert.equal(await answer(together(['app', '3.0']), together(['app', '2.0'])), 'met');
  assert.equal(
    await answer(together(['app', '3.0']), together(['app', '2.0'], ['Carto', '7.11'])),
    'it would leave app 2.0 with Carto 7.10, which were not validated together; the nearest that were: app 2.0 with Carto 7.11',
  );
  assert.match(await answer(together(['app', '2.0'], ['Velys', '1'])), /Velys \(none\)/);
});

/** apt with PostgreSQL 15.8, which changes nothing. */
const apt: Apt = {
  versionOf: (name) => Promise.resolve(name === 'postgresql-15' ? '15.8-0+deb12u1' : null),
  simulate: () => Promise.reject(new Error('nothing is to be installed here')),
  install: () => Promise.reject(new Error('nothing is to be installed here')),
};

test('packages and the build of the operating system count as they will be, not as they are', async (t) => {
  const { facts } = openMachine(temporaryFolder(t));
  const { author, installer, machine } = createBench(t, { facts, updateServices: { apt } });
  await machine.products.set('Carto', '8.1');
  const packages = (name: string, version: string) =>
    create(PackageSetSchema, { manager: PackageManager.APT, packages: [{ name, version }] });
  const undo = { kind: { case: 'restorePrevious' as const, value: {} } };
  const postgres = create(ComponentSchema, {
    ...{ id: 'system', title: 'The security fixes', undo },
    kind: {
      case: 'operatingSystemBuild',
      value: { target: { case: 'linux', value: packages('postgresql-15', '15.9-0+deb12u1') } },
    },
  });
  const antivirus = create(ComponentSchema, {
    ...{ id: 'antivirus', title: 'The antivirus', undo },
    kind: {
      case: 'managedProduct',
      value: {
        product: { product: 'ClamAV', version: '1.4' },
        source: { case: 'packages', value: packages('clamav', '1.4.1-1') },
      },
    },
  });
  const windows = create(ComponentSchema, {
    ...{ id: 'windows', title: 'The build', undo },
    kind: {
      case: 'operatingSystemBuild',
      value: { target: { case: 'windows', value: { buildTag: '10.0.26100.2314' } } },
    },
  });
  const met = async (components: (typeof postgres)[], ...products: [string, string][]) => {
    const together = products.map(([product, version]) => ({ product, version }));
    const manifest = author.manifest(components, { validatedCombinations: [{ products: together }] });
    return (await installer.requirements(manifest)).kind === 'met';
  };
  const files = author.files('Carto', { x: '1' }, { version: '8.2' });
  const before: [string, string] = ['postgresql-15', '15.8-0+deb12u1'];
  const after: [string, string] = ['postgresql-15', '15.9-0+deb12u1'];
  assert.equal(await met([files], ['Carto', '8.2'], before), true);
  assert.equal(await met([files, postgres], ['Carto', '8.2'], before), false);
  assert.equal(await met([files, postgres], ['Carto', '8.2'], after), true);
  assert.equal(await met([antivirus], ['ClamAV', '1.4'], ['clamav', '1.4.1-1']), true);
  assert.equal(await met([antivirus], ['clamav', '1.4.0-1']), false);
  assert.equal(await met([windows], ['Debian GNU/Linux', '10.0.26100.2314']), true);
  assert.equal(await met([windows], ['Debian GNU/Linux', '12']), false);
});

test('a base replaces the packages of the system that runs, and keeps what the register has', async (t) => {
  const { author, installer, machine } = createBench(t, { updateServices: { apt } });
  await machine.products.set('Carto', '8.1');
  const answer = async (product: string, version: string) => {
    const patch = author.manifest([], { validatedCombinations: [{ products: [{ product, version }] }] });
    const digest = author.content('an image');
    const value = {
      partitions: [{ name: 'system', role: PartitionRole.BOOT, digest, minPartitionBytes: 1n }],
      products: [{ product: 'Velys', version: '2' }],
    };
    const end = await installer.requirements(
      create(ManifestSchema, { ...patch, content: { case: 'base', value: create(BaseSchema, value) } }),
    );
    return end.kind === 'met' ? 'met' : end.reason;
  };
  assert.equal(await answer('Velys', '2'), 'met');
  assert.equal(await answer('Carto', '8.1'), 'met');
  assert.match(await answer('postgresql-15', '15.8-0+deb12u1'), /postgresql-15 \(none\)/);
});

test('requirements look where operators do: the operating system, the agent and what the host application reports', async (t) => {
  const { facts } = openMachine(temporaryFolder(t));
  const parts = [{ product: 'Patch Unit', version: '3.1' }];
  const inventory = createInventory({
    agentVersion: '1.5.0',
    facts,
    register: { all: () => [] },
    hostVersion: () => create(ReportVersionRequestSchema, { product: carto('8.0'), parts }),
  });
  const { author, installer } = createBench(t, { facts, inventory });
  const files = author.files('app', { x: '1' });
  const cases: [product: string, installed: string, higher: string][] = [
    ['Debian GNU/Linux', '12', '13'],
    ['IoT Agent', '1.5.0', '1.5.1'],
    ['Patch Unit', '3.1', '3.2'],
  ];
  for (const [product, installed, higher] of cases) {
    const kindsOf = (version: string): Requirements[] => [
      { versionFloors: [{ product, version }] },
      { mustPassThrough: [{ product, version }] },
      { validatedCombinations: [{ products: [{ product, version }] }] },
    ];
    for (const requirements of kindsOf(installed)) {
      assert.deepEqual(await installer.preflight(author.manifest([files], requirements)), { kind: 'met' });
    }
    for (const requirements of kindsOf(higher)) {
      const end = await installer.preflight(author.manifest([files], requirements));
      assert.ok(end.kind === 'unmet' && end.reason.includes(installed), product);
    }
  }
});
