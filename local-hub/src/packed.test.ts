/** What npm would publish: packed, unpacked elsewhere, and run from there. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';

const run = promisify(execFile);
const packageDir = join(import.meta.dirname, '..');
const modules = join(packageDir, '..', 'node_modules');
const path = [dirname(process.execPath), join(modules, '.bin'), process.env.PATH].join(delimiter);
const env = { ...process.env, PATH: path };

/** Packs the package and unpacks it into a folder of its own, where its dependencies are found. */
async function unpacked(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'local-hub-packed-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  // Packing must not disturb a build that somebody uses, so it happens in a copy.
  const copy = join(folder, 'copy');
  await mkdir(copy);
  const manifest = JSON.parse(await readFile(join(packageDir, 'package.json'), 'utf8')) as {
    files: string[];
  };
  await run('tsc', ['-p', join(packageDir, 'tsconfig.build.json'), '--outDir', join(copy, 'dist')], { env });
  for (const name of ['package.json', 'LICENSE', ...manifest.files.filter((file) => file !== 'dist')]) {
    await run('cp', ['-R', join(packageDir, name), copy]);
  }
  const { stdout } = await run('npm', ['pack', '--ignore-scripts', '--silent'], { cwd: copy, env });
  await run('tar', ['-xzf', join(copy, stdout.trim()), '-C', folder]);
  await rm(copy, { recursive: true });
  // As npm would lay it out: what is only in the workspace's own node_modules wins.
  await mkdir(join(folder, 'node_modules'));
  for (const from of [modules, join(packageDir, 'node_modules')]) {
    // npm makes the workspace's own only where a version differs from the root's.
    for (const name of existsSync(from) ? await readdir(from) : []) {
      if (name.startsWith('.')) continue;
      await rm(join(folder, 'node_modules', name), { force: true });
      await symlink(join(from, name), join(folder, 'node_modules', name));
    }
  }
  await rm(join(folder, 'node_modules', 'iotdh-local-hub'), { force: true });
  await symlink(join(folder, 'package'), join(folder, 'node_modules', 'iotdh-local-hub'));
  return folder;
}

test('the packed program starts, its API works, and its types are complete', async (t) => {
  const folder = await unpacked(t);
  const files = await readdir(join(folder, 'package'), { recursive: true });
  assert.ok(files.includes(join('dist', 'main.js')));
  assert.deepEqual(
    files.filter((file) => /(^|\/)src\/|\.test\.|-rig\.|fake-|-child\./.test(file)),
    [],
    'neither sources nor tests are published',
  );
  for (const name of ['README.md', 'LICENSE']) assert.ok(files.includes(name), name);

  const program = join(folder, 'package', 'bin', 'iotdh-local-hub.js');
  const { stdout } = await run(process.execPath, [program, '--version']);
  const manifest = JSON.parse(await readFile(join(folder, 'package', 'package.json'), 'utf8')) as {
    version: string;
  };
  assert.equal(stdout.trim(), manifest.version);

  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
  await writeFile(
    join(folder, 'use.ts'),
    `import { createLocalHub, type LocalHub } from 'iotdh-local-hub';
    const hub: LocalHub = await createLocalHub({ dataDir: 'data', sku: 'off' });
    await hub.deviceConnectionString('d1');
    console.log(hub.engine.registry.statistics().totalDeviceCount);
    await hub.stop();`,
  );
  const used = await run(process.execPath, ['use.ts'], { cwd: folder });
  assert.equal(used.stdout.trim(), '1');
  const compiler = [
    '--noEmit',
    '--strict',
    '--module',
    'nodenext',
    '--target',
    'es2024',
    '--lib',
    'es2024',
    '--types',
    'node',
  ];
  await run('tsc', [...compiler, '--skipLibCheck', 'false', 'use.ts'], { cwd: folder, env });
});
