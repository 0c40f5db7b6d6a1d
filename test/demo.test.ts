import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';

const demo = join(import.meta.dirname, '..', 'demo', 'main.ts');

/** Starts the demo with a temporary folder and a process group of its own. */
async function start(t: TestContext, ...args: string[]): Promise<{ child: ChildProcess; folder: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'iotdh-demo-test-'));
  const child = spawn(process.execPath, [demo, ...args], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  t.after(async () => {
    if (isAlive(child)) process.kill(-child.pid!, 'SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });
  return { child, folder };
}

/** Whether any process of the group is left. */
function isAlive({ pid }: ChildProcess): boolean {
  try {
    process.kill(-pid!, 0);
    return true;
  } catch {
    return false;
  }
}

/** Command lines of processes, of whatever group, that work in the folder. */
async function processesIn(folder: string): Promise<string[]> {
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(ids.map((id) => readFile(`/proc/${id}/cmdline`, 'utf8').catch(() => '')));
  return lines.filter((line) => line.includes(folder)).map((line) => line.replaceAll('\0', ' '));
}

async function assertNothingLeft({ child, folder }: { child: ChildProcess; folder: string }): Promise<void> {
  assert.deepEqual(await readdir(folder), []);
  assert.deepEqual(await processesIn(folder), []);
  assert.equal(isAlive(child), false);
}

test('the demo takes a real workstation through every state and leaves nothing behind', {
  timeout: 600_000,
}, async (t) => {
  const started = await start(t, '--yes');
  const { child } = started;
  const [story, errors, [code]] = await Promise.all([
    text(child.stdout!),
    text(child.stderr!),
    once(child, 'exit'),
  ]);
  assert.equal(code, 0, `${story}\n${errors}`);
  const chain = [
    ...['BUSY', 'READY', 'BUSY', 'READY'],
    ...['INTRANSIT_PATCH', 'READY_WITHPATCH', 'WAIT_CONFIRM_PATCH', 'APPLYING_PATCH', 'READY'],
    ...['INTRANSIT_PATCH', 'READY_WITHPATCH', 'WAIT_CONFIRM_PATCH', 'APPLYING_PATCH'],
    ...['INTRANSIT_BASE', 'READY_WITHBASE', 'WAIT_CONFIRM_BASE', 'APPLYING_BASE', 'READY'],
  ];
  assert.ok(story.replace(/\s+/g, ' ').includes(chain.join(' → ')), story);
  const versions = [...story.matchAll(/runs dcm2niix ([0-9.]+)/g)].map((match) => match[1]);
  assert.deepEqual([...new Set(versions)], ['1.0.20260416', '1.0.20260724']);
  assert.equal(versions.at(-1), '1.0.20260416');
  assert.match(story, /ws-cath-lab-1 .*connected .*READY .*dcm2niix 1\.0\.20260416/);
  assert.match(story, /The whole demo took \d+\.\d s/);
  await assertNothingLeft(started);
});

test('the demo that is interrupted in the middle of a transfer leaves nothing behind', {
  timeout: 600_000,
}, async (t) => {
  const started = await start(t, '--yes');
  const { child } = started;
  const exited = once(child, 'exit');
  const errors = text(child.stderr!);
  let isInterrupted = false;
  for await (const line of createInterface({ input: child.stdout! })) {
    if (!isInterrupted && line.includes('READY → INTRANSIT_PATCH')) {
      isInterrupted = true;
      // As a terminal does it: to everybody.
      process.kill(-child.pid!, 'SIGINT');
    }
  }
  const [code] = await exited;
  assert.equal(code, 130, await errors);
  await assertNothingLeft(started);
});

test('the demo does not answer for a person who is not there', async (t) => {
  const { child } = await start(t);
  const [errors, [code]] = await Promise.all([text(child.stderr!), once(child, 'exit')]);
  assert.equal(code, 2);
  assert.match(errors, /--yes/);
});
