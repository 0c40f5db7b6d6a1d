import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';

const demo = join(import.meta.dirname, '..', 'demo', 'main.ts');

test('the demo tells its whole story and leaves nothing behind', { timeout: 60_000 }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'iotdh-demo-test-'));
  t.after(() => rm(folder, { recursive: true }));
  const child = spawn(process.execPath, [demo], { env: { ...process.env, TMPDIR: folder } });
  t.after(() => child.kill('SIGTERM'));
  const [story, errors, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ]);
  assert.equal(code, 0, errors);
  assert.match(story, /reading 1, reading 2, reading 3/);
  assert.match(story, /hub killed with SIGKILL[\s\S]*queued 1, queued 2, queued 3/);
  assert.deepEqual(await readdir(folder), []);
});

test('the demo cleans up when it is interrupted', { timeout: 60_000 }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'iotdh-demo-test-'));
  t.after(() => rm(folder, { recursive: true }));
  const child = spawn(process.execPath, [demo], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  for await (const chunk of child.stdout) {
    if (String(chunk).includes('connected')) break;
  }
  child.kill('SIGINT');
  const [code] = await once(child, 'exit');
  assert.equal(code, 130);
  assert.deepEqual(await readdir(folder), []);
});
