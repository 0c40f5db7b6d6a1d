import assert from 'node:assert/strict';
import { readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { inspect } from 'node:util';
import { Codec, FileSetMode, Interpreter } from '@iotdh/proto/update/v1';
import { createBench, isWhole } from '../../../agent/src/transfer/testing/bench.ts';
import { bytesOf, createRandom, type Pack } from '../../../agent/src/transfer/testing/pack.ts';
import type { BuiltPack } from './build-pack.ts';
import { InvalidInput, problemText } from './problem.ts';
import { build, patchYaml, type Tree, temporaryFolder, writeTree } from './testing/description.ts';

const sample: Tree = {
  '+bin/carto': 'machine code',
  'etc/carto.conf': 'a = 1\n',
  'data/empty': '',
  'data/map.bin': bytesOf(2_500_000, 7),
  'data/words.txt': 'the quick brown fox\n'.repeat(100_000),
};

/** What blob storage and the device would see. */
async function storedPack(built: BuiltPack, contents: Buffer[]): Promise<Pack> {
  const blobs = new Map<string, Buffer>();
  for (const name of await readdir(join(built.folder, 'objects'))) {
    blobs.set(name, await readFile(join(built.folder, 'objects', name)));
  }
  const manifest = await readFile(join(built.folder, 'manifest.bin'));
  blobs.set(built.digest, manifest);
  return { blobs, manifest: { digest: Buffer.from(built.digest, 'hex'), size: manifest.length }, contents };
}

/** Carries a pack with the agent's own transfer. */
async function arrivesWhole(t: TestContext, built: BuiltPack, tree: Tree): Promise<void> {
  const contents = Object.values(tree).map((content) => Buffer.from(content));
  const pack = await storedPack(built, contents);
  const { transfer, run } = createBench(pack, temporaryFolder(t), { frameSize: 60_000, patienceMs: 2_000 });
  const outcome = await run();
  assert.equal(outcome.kind, 'complete', inspect(outcome));
  assert.ok(await isWhole(pack, transfer), 'every file byte for byte');
}

async function problemsOf(building: Promise<unknown>): Promise<string[]> {
  const error = await building.then(
    () => assert.fail('it was built'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof InvalidInput, String(error));
  return error.problems.map(problemText);
}

async function everyByte(folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    found[path.slice(folder.length)] = (await readFile(path)).toString('base64');
  }
  return found;
}

test('a tree of files becomes a pack that the agent receives byte for byte', async (t) => {
  const folder = temporaryFolder(t);
  await writeTree(join(folder, 'tree'), sample);
  const built = await build(folder, patchYaml);
  assert.equal(built.manifest.version, '8.10');
  assert.equal(built.manifest.content.case, 'patch');
  const [component] =
    built.manifest.content.value?.$typeName === 'iotdh.update.v1.Patch'
      ? built.manifest.content.value.components
      : [];
  assert.equal(component?.kind.case, 'hostApplication');
  const files = component.kind.value.files;
  assert.equal(files?.mode, FileSetMode.REPLACE_ROOT);
  assert.deepEqual(
    files.files.map(({ path, mode }) => [path, mode.toString(8)]),
    [
      ['bin/carto', '755'],
      ['data/empty', '644'],
      ['data/map.bin', '644'],
      ['data/words.txt', '644'],
      ['etc/carto.conf', '644'],
    ],
  );
  await arrivesWhole(t, built, sample);
});

test('bytes that do not compress are kept as they are, others become smaller', async (t) => {
  const folder = temporaryFolder(t);
  await writeTree(join(folder, 'tree'), sample);
  const { manifest } = await build(folder, patchYaml);
  const codecs = manifest.objects.map(({ encoding, contents }) => [encoding.value?.codec, contents.length]);
  assert.deepEqual(codecs, [
    [Codec.NONE, 1],
    [Codec.ZSTD, 1],
    // Eighteen bytes in three files: a header would double them.
    [Codec.NONE, 3],
  ]);
});

test('the same input makes the same bytes, wherever it lies', async (t) => {
  const [one, two] = [temporaryFolder(t), temporaryFolder(t)];
  const reversed = Object.fromEntries(Object.entries(sample).reverse());
  await writeTree(join(one, 'tree'), sample);
  await writeTree(join(two, 'tree'), reversed);
  const first = await build(one, patchYaml);
  const second = await build(two, patchYaml, { createTime: new Date() });
  assert.deepEqual(await everyByte(first.folder), await everyByte(second.folder));
});

test('a small pack has the bytes that it always had', async (t) => {
  const folder = temporaryFolder(t);
  await writeTree(join(folder, 'tree'), { 'a.txt': 'hello\n', '+b.sh': '#!/bin/sh\n' });
  const built = await build(folder, patchYaml);
  assert.equal(built.digest, 'c4bd416cd2b47cfe95f1923d781a3d15d3a2653e882a57646fcee4e92a93d2d1');
});

test('random trees arrive as they were, with objects of every size', async (t) => {
  const random = createRandom(Number(process.env.PACK_SEED ?? 20_261_123));
  for (let round = 0; round < 8; round += 1) {
    const folder = temporaryFolder(t);
    const tree: Record<string, Uint8Array> = {};
    const count = 1 + Math.floor(random() * 40);
    for (let index = 0; index < count; index += 1) {
      const path = `${'ab/'.repeat(Math.floor(random() * 3))}f${index}${['', '.txt', '.BIN'][Math.floor(random() * 3)]}`;
      const length = Math.floor(random() ** 4 * 200_000);
      tree[path] =
        random() < 0.5 ? bytesOf(length, index + round * 100) : Buffer.alloc(length, `${index % 5}xyz`);
    }
    await writeTree(join(folder, 'tree'), tree);
    const built = await build(folder, patchYaml, {
      limits: { largeBytes: 50_000, groupBytes: 120_000, maxInlineSegments: round % 2 },
      level: 1 + (round % 5),
    });
    await arrivesWhole(t, built, tree);
  }
});

test('what an earlier pack has is taken over, so that only what is new is carried', async (t) => {
  const folder = temporaryFolder(t);
  const tree: Record<string, string> = {};
  for (let index = 0; index < 200; index += 1) tree[`f${index}.txt`] = `file ${index}\n`.repeat(50);
  await writeTree(join(folder, 'tree'), tree);
  const first = await build(folder, patchYaml, { folder: join(folder, 'first') });
  tree['f7.txt'] = 'changed\n';
  await writeTree(join(folder, 'tree'), tree);
  const second = await build(folder, patchYaml.replaceAll('8.10', '8.11'), { earlier: [first.folder] });
  assert.equal(second.manifest.objects.length, 2);
  assert.equal(second.reusedBytes, first.objectBytes);
  assert.ok(second.objectBytes - second.reusedBytes < 100, 'the new object holds one small file');
  await arrivesWhole(t, second, tree);

  const [object] = await readdir(join(first.folder, 'objects'));
  await writeFile(join(first.folder, 'objects', object ?? ''), 'damaged');
  const [problem] = await problemsOf(build(folder, patchYaml, { earlier: [first.folder], replace: true }));
  assert.match(problem ?? '', /is damaged/);
});

test('every kind of component, check, follow-up and way back is read', async (t) => {
  const folder = temporaryFolder(t);
  await writeTree(folder, { 'tree/a': 'a', 'check.sh': 'exit 0\n', 'single.conf': 'x=1\n' });
  const built = await build(
    folder,
    `
name: everything
version: 1.0
title: Everything
summary: |
  Two lines
  of it.
expected_duration: 4m
requirements:
  platforms: [{operating_system: linux, architecture: x64}]
  version_floors: [{product: Carto, version: 8.0}]
  must_pass_through: [{product: Carto, version: 7.9}]
  validated_combinations: [[{product: Carto, version: 8.1}, {product: Velys, version: 2}]]
  free_disk: 2GiB
  mains_power: true
components:
  - id: app
    title: The application
    host_application:
      product: Carto
      version: 8.1
      files:
        root: carto
        mode: merge
        from:
          - {folder: tree, to: sub, exclude: ['*.map']}
          - {file: single.conf, to: etc/single.conf}
        modes: {'etc/*': 0600}
        removed_paths: [old.txt]
    follow_ups: [{restart_service: carto.service}, restart_machine]
    checks:
      - {title: files, files_match: true}
      - {title: port, local_endpoint: 8080, attempts: 3, time_limit: 1m30s}
      - {title: version, installed_version: {product: Carto, version: 8.1}}
      - {title: script, script: {interpreter: sh, file: check.sh, time_limit: 10s, max_output: 4KiB}}
    undo: restore_previous
  - id: windows
    title: Windows
    operating_system_build: {windows: {build_tag: 10.0.26100.2314, kb_articles: [KB5046617]}, time_limit: 1h}
    undo: {irreversible: Windows Update takes nothing back.}
  - id: antivirus
    title: Antivirus
    managed_product: {product: Defender, version: 4.18, packages: {manager: apt, packages: [{name: clamav, version: 1.4.1}]}}
    undo: restore_previous
  - id: driver
    title: Driver
    third_party_application: {product: Driver, version: 3, files: {root: driver, mode: replace_root, from: tree}}
    undo: restore_previous
  - id: logs
    title: Where logs go
    connections:
      time_limit: 1m
      connections:
        - {target: log_collection, name: site, settings: {host: logs.example.com, key: {secret: log-key}}}
    undo: restore_previous
  - id: clean
    title: Clean up
    automation: {scripts: [{interpreter: zx, text: 'await $\`true\`', arguments: [--all], time_limit: 30s, success_exit_codes: [0, 3]}]}
    undo: {script: {interpreter: sh, text: 'exit 0', time_limit: 5s}}
`,
  );
  assert.equal(built.manifest.content.case, 'patch');
  const { components } = built.manifest.content.value as Extract<
    typeof built.manifest.content,
    { case: 'patch' }
  >['value'];
  assert.deepEqual(
    components.map(({ kind }) => kind.case),
    [
      'hostApplication',
      'operatingSystemBuild',
      'managedProduct',
      'thirdPartyApplication',
      'connections',
      'automation',
    ],
  );
  const [app] = components;
  assert.equal(app?.kind.case, 'hostApplication');
  assert.deepEqual(
    app.kind.value.files?.files.map(({ path, mode }) => [path, mode.toString(8)]),
    [
      ['etc/single.conf', '600'],
      ['sub/a', '644'],
    ],
  );
  const script = app.checks[3]?.kind;
  assert.equal(script?.case, 'script');
  assert.equal(script.value.interpreter, Interpreter.SH);
  assert.equal(script.value.maxOutputBytes, 4_096);
  assert.equal(built.manifest.requirements?.freeDiskBytes, 2n ** 31n);
  assert.equal(built.manifest.expectedDuration?.seconds, 240n);
  await arrivesWhole(t, built, { a: 'a', b: 'exit 0\n', c: 'x=1\n', d: 'await $`true`\n' });
});

test('a BASE takes its partitions from image files', async (t) => {
  const folder = temporaryFolder(t);
  const image = Buffer.concat([bytesOf(300_000, 3), Buffer.alloc(3_000_000)]);
  await writeTree(folder, { 'boot.img': image, 'data.img': 'data' });
  const built = await build(
    folder,
    `
name: carto-base
version: 8.1
title: Carto 8.1, whole
kind: base
base:
  partitions:
    - {name: system, role: boot, image: boot.img}
    - {name: data, role: data, image: data.img, min_partition_size: 1MiB}
  products: [{product: Carto, version: 8.1}]
  boot_time_limit: 5m
`,
  );
  assert.equal(built.manifest.content.case, 'base');
  assert.deepEqual(
    (built.manifest.content.value as { partitions: { minPartitionBytes: bigint }[] }).partitions.map(
      ({ minPartitionBytes }) => minPartitionBytes,
    ),
    [3_300_000n, 2n ** 20n],
  );
  await arrivesWhole(t, built, { image, data: 'data' });
});

test('every problem is reported at once, with its line and what was perhaps meant', async (t) => {
  const folder = temporaryFolder(t);
  await writeTree(join(folder, 'tree'), { a: 'a' });
  const spoilt = patchYaml
    .replace('title: Carto 8.10\n', 'titel: Carto 8.10\n')
    .replace('mode: replace_root', 'mode: replace')
    .replace('from: tree', 'from: nowhere');
  const problems = await problemsOf(build(folder, spoilt));
  const text = problems.join('\n').replaceAll(folder, '.');
  assert.match(text, /pack\.yaml:4:8: titel: is not known here; did you mean title\?/);
  assert.match(text, /needs a title/);
  assert.match(
    text,
    /pack\.yaml:14:15: components\[0\]\.host_application\.files\.mode: must be one of replace_root, merge/,
  );
  assert.match(text, /files\.from: \.\/nowhere does not exist/);
});

test('what scripts have changed cannot be restored by itself, and a pack that says so is not built', async (t) => {
  const automation = `components:
  - id: clean
    title: Old caches go
    automation:
      scripts: [{interpreter: sh, text: 'true', time_limit: 5s}]
    undo: restore_previous
`;
  const folder = temporaryFolder(t);
  const yaml = patchYaml.slice(0, patchYaml.indexOf('components:')) + automation;
  const [problem] = await problemsOf(build(folder, yaml));
  assert.match(problem ?? '', /components\[0\]\.undo: cannot be restore_previous/);
  await build(folder, yaml.replace('undo: restore_previous', 'undo: {irreversible: It only cleans}'));
});

test('a limit of the contract that is broken is shown at its line', async (t) => {
  const folder = temporaryFolder(t);
  await writeTree(join(folder, 'tree'), { a: 'a' });
  const [problem, ...more] = await problemsOf(build(folder, patchYaml.replace('id: carto', 'id: Carto!')));
  assert.match(problem ?? '', /pack\.yaml:7:\d+: components\[0\]\.id: /);
  assert.deepEqual(more, []);
  const [path] = await problemsOf(
    build(folder, patchYaml.replace('from: tree', 'from: [{folder: tree, to: ../..}]')),
  );
  assert.match(path ?? '', /files\.files\[0\]\.path/);
});

test('broken YAML is reported with its line', async (t) => {
  const [problem] = await problemsOf(build(temporaryFolder(t), 'name: [a\nversion: 1\n'));
  assert.match(problem ?? '', /pack\.yaml:\d+:\d+: /);
});

test('files that collide where case does not count are refused, and so are links', async (t) => {
  const folder = temporaryFolder(t);
  await writeTree(join(folder, 'tree'), { 'Read.me': '1', 'read.ME': '2' });
  await symlink('Read.me', join(folder, 'tree', 'link'));
  const problems = (await problemsOf(build(folder, patchYaml))).join('\n');
  assert.match(problems, /link is a symbolic link; say symlinks: follow, or skip/);
  assert.match(problems, /read\.ME collides with Read\.me/);
  const followed = patchYaml.replace(
    'from: tree',
    "from: [{folder: tree, exclude: ['read.ME'], symlinks: follow}]",
  );
  await arrivesWhole(t, await build(folder, followed), { a: '1' });
});

test('names that a device would refuse, or that cannot be read, are said one by one', async (t) => {
  const folder = temporaryFolder(t);
  const tree = join(folder, 'tree');
  await writeTree(tree, { 'caf\u00e9': '1', 'cafe\u0301': '2', ok: '3' });
  await symlink('nowhere', join(tree, 'link'));
  await writeFile(Buffer.concat([Buffer.from(`${tree}/latin-`), Buffer.from([0xe9])]), '4');
  const long = 'é'.repeat(128);
  const from = `from: [{folder: tree, symlinks: follow}, {file: tree/ok, to: ${long}}]`;
  const problems = (await problemsOf(build(folder, patchYaml.replace('from: tree', from)))).join('\n');
  assert.match(problems, /caf\u00e9 collides with cafe\u0301|cafe\u0301 collides with caf\u00e9/);
  assert.match(problems, /link leads to nothing/);
  assert.match(problems, /latin-\ufffd cannot be found by its name/);
  assert.match(problems, /é has a name of more than 255 bytes/);
});

test('a pack that is there is replaced only when asked, and never anything else', async (t) => {
  const folder = temporaryFolder(t);
  await writeTree(join(folder, 'tree'), sample);
  await build(folder, patchYaml);
  assert.match((await problemsOf(build(folder, patchYaml))).join(), /--force/);
  await build(folder, patchYaml, { replace: true });
  const other = build(folder, patchYaml, { replace: true, folder: join(folder, 'tree') });
  assert.match((await problemsOf(other)).join(), /is no pack/);
});

test('a build that is cancelled, or whose files change meanwhile, leaves nothing behind', async (t) => {
  const folder = temporaryFolder(t);
  await writeTree(join(folder, 'tree'), sample);
  const cancel = new AbortController();
  const cancelled = build(folder, patchYaml, {
    signal: cancel.signal,
    onProgress: ({ phase }) => phase === 'compress' && cancel.abort(new Error('enough')),
  });
  await assert.rejects(cancelled, /enough/);
  let changed: Promise<void> | undefined;
  const disturbed = build(folder, patchYaml, {
    onProgress({ phase, doneBytes, totalBytes }) {
      if (phase === 'digest' && doneBytes === totalBytes)
        changed ??= writeFile(join(folder, 'tree/etc/carto.conf'), 'b = 2\n');
    },
  });
  assert.match((await problemsOf(disturbed)).join(), /was changed while the pack was being built/);
  await changed;
  const left = await readdir(folder);
  assert.deepEqual(left.sort(), ['pack.yaml', 'tree']);
});
