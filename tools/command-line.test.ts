import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { root } from './run.ts';

type Ended = { code: number; out: string; notes: string };

const started = (path: string, ...args: string[]) =>
  new Promise<Ended>((resolve) => {
    execFile(process.execPath, [join(root, path), ...args], (error, out, notes) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, notes }),
    );
  });

const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};
const ours = Object.entries(scripts).flatMap(([name, line]) => {
  const path = /^node (\S+)$/.exec(line)?.[1];
  return path === undefined ? [] : [{ name, path }];
});

test('every command of package.json says how it is used, and names a mistake in one line', async () => {
  assert.ok(ours.length >= 7);
  for (const { name, path } of ours) {
    const [help, mistake] = await Promise.all([started(path, '--help'), started(path, '--colour')]);
    assert.deepEqual([help.code, help.notes], [0, ''], name);
    assert.match(help.out, /^Usage: /, name);
    assert.equal(mistake.code, 2, name);
    assert.match(mistake.notes, /^Unknown option '--colour'; --help says what there is\n$/, name);
  }
});

test('a number that is none, and an option of the other chaos, are named', async () => {
  const kills = await started('tools/chaos.ts', '--kills', 'many');
  assert.deepEqual([kills.code, kills.out], [2, '']);
  assert.match(kills.notes, /^--kills must be a whole number from 1, not "many";/);
  const schedules = await started('tools/chaos.ts', 'slots', '--kills', '3');
  assert.deepEqual([schedules.code, schedules.notes.split(';')[0]], [2, '--kills and --jobs are of machine']);
});

test('what is interrupted says so, and nothing of a failure', async () => {
  const fuzz = spawn(process.execPath, [join(root, 'tools/fuzz.ts'), 'frames'], { stdio: 'pipe' });
  let notes = '';
  fuzz.stderr.on('data', (text) => {
    if (notes === '') fuzz.kill('SIGINT');
    notes += text;
  });
  assert.deepEqual(await once(fuzz, 'close'), [130, null]);
  assert.equal(notes, 'frames: 1000000 inputs of seed 1\ninterrupted\n');
});
