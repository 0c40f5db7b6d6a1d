/** The command as people run it: a process of its own. */
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';

const command = join(import.meta.dirname, '../bin/iotdh.js');

function workplace(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-cli-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const iotdh = (...args: string[]) =>
    new Promise<{ code: number; out: string; notes: string }>((resolve) => {
      const env = { PATH: process.env.PATH, XDG_CONFIG_HOME: join(folder, 'config') };
      execFile(process.execPath, [command, ...args], { cwd: folder, env }, (error, out, notes) =>
        resolve({ code: error === null ? 0 : Number(error.code), out, notes }),
      );
    });
  return { folder, iotdh };
}

test('help is on stdout, and every command has some', async (t) => {
  const { iotdh } = workplace(t);
  const help = await iotdh('--help');
  assert.deepEqual([help.code, help.notes], [0, '']);
  assert.match(help.out, /Examples:[\s\S]*Exit codes: 0 ok/);
  const below = await Promise.all([iotdh('pack', 'build', '--help'), iotdh('dev', 'up', '--help')]);
  for (const { code, out } of below) assert.ok(code === 0 && /Example/.test(out));
});

test('a pack is built and inspected, and a mistake in it exits with 2 and its line', async (t) => {
  const { folder, iotdh } = workplace(t);
  await mkdir(join(folder, 'tree'));
  await writeFile(join(folder, 'tree', 'a.txt'), 'hello\n');
  const yaml = `name: carto
version: 8.10
title: Carto
components:
  - id: carto
    title: Carto
    host_application:
      product: Carto
      version: 8.10
      files: {root: carto, mode: merge, from: tree}
    undo: restore_previous
`;
  await writeFile(join(folder, 'pack.yaml'), yaml);
  const built = await iotdh('pack', 'build', 'pack.yaml', '--time', '2026-11-01T00:00:00Z');
  assert.equal(built.code, 0, built.notes);
  const { manifestDigest } = JSON.parse(built.out) as { manifestDigest: string };
  assert.match(manifestDigest, /^[0-9a-f]{64}$/);
  const inspected = await iotdh('pack', 'inspect', 'carto-8.10', '-o', 'table');
  assert.match(inspected.out, /carto@8\.10/);
  assert.ok(inspected.out.includes(manifestDigest));

  await writeFile(join(folder, 'pack.yaml'), yaml.replace('mode: merge', 'mode: replace'));
  const wrong = await iotdh('pack', 'build', 'pack.yaml', '--force');
  assert.equal(wrong.code, 2);
  assert.match(
    wrong.notes,
    /pack\.yaml:10:\d+: components\[0\]\.host_application\.files\.mode: must be one of/,
  );
});

test('a profile is kept for its owner alone and used by the next command', async (t) => {
  const { folder, iotdh } = workplace(t);
  const set = await iotdh(
    'profile',
    'set',
    'boston',
    '--api-url',
    'https://127.0.0.1:59',
    '--token-file',
    'token',
  );
  assert.equal(set.code, 0, set.notes);
  const path = join(folder, 'config', 'iotdh', 'profiles.json');
  if (process.platform !== 'win32') assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.match(await readFile(path, 'utf8'), new RegExp(`"tokenFile": "${folder}/token"`));
  await writeFile(join(folder, 'token'), 'secret');
  assert.equal((await iotdh('device', 'list')).code, 5);
  const other = await iotdh('device', 'list', '--profile', 'bostn');
  assert.equal(other.code, 2);
  assert.match(other.notes, /Did you mean boston\?/);
});

test('interrupted while it waits for the fleet, it ends with 130', async (t) => {
  const { folder } = workplace(t);
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  t.after(() => server.closeAllConnections());
  const { port } = server.address() as AddressInfo;
  const child = spawn(process.execPath, [command, 'device', 'list'], {
    env: { PATH: process.env.PATH, IOTDH_CONFIG_DIR: folder, IOTDH_API_URL: `http://127.0.0.1:${port}` },
    stdio: 'ignore',
  });
  await once(server, 'request');
  child.kill('SIGINT');
  assert.deepEqual(await once(child, 'exit'), [130, null]);
});

test('bash completes commands from the tree as it is', async (t) => {
  const { folder, iotdh } = workplace(t);
  const { out } = await iotdh('completion', 'bash');
  await writeFile(join(folder, 'completion.bash'), out);
  const completed = await new Promise<string>((resolve, reject) => {
    const script =
      'source completion.bash; COMP_WORDS=(iotdh -o json device re); COMP_CWORD=4; _iotdh_complete; declare -p COMPREPLY';
    execFile('bash', ['-c', script], { cwd: folder }, (error, answer) =>
      error ? reject(error) : resolve(answer),
    );
  });
  assert.equal(completed.trim(), 'declare -a COMPREPLY=([0]="register" [1]="retire")');
});

/** Why this shell cannot be tried; undefined: it is here. */
const lacking = (shell: string): string | undefined =>
  spawnSync(shell, ['--version']).error === undefined ? undefined : `there is no ${shell} on this machine`;

test('fish completes commands with what they do, and no files beside them', {
  skip: lacking('fish'),
}, async (t) => {
  const { folder, iotdh } = workplace(t);
  await writeFile(join(folder, 'completion.fish'), (await iotdh('completion', 'fish')).out);
  const completed = (line: string): string =>
    execFileSync('fish', ['--no-config', '-c', `source completion.fish; complete -C '${line}'`], {
      cwd: folder,
      encoding: 'utf8',
    });
  const words = completed('iotdh dev ')
    .trim()
    .split('\n')
    .map((one) => one.split('\t')[0]);
  assert.deepEqual(words.sort(), ['doctor', 'down', 'reset', 'status', 'up']);
  assert.match(completed('iotdh assign --car'), /^--carrier\t/);
  assert.doesNotMatch(completed('iotdh dev up --'), /supervised/);
});

test('zsh takes the script', { skip: lacking('zsh') }, async (t) => {
  const { folder, iotdh } = workplace(t);
  await writeFile(join(folder, 'completion.zsh'), (await iotdh('completion', 'zsh')).out);
  const script = 'autoload -Uz compinit; compinit -u -D; source completion.zsh; print -r -- $_comps[iotdh]';
  const said = execFileSync('zsh', ['-f', '-c', script], { cwd: folder, encoding: 'utf8' });
  assert.match(said, /_iotdh_complete/);
});
