import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { watch } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Interpreter, type Script } from '@iotdh/proto/update/v1';
import { interpreterFor } from './interpreter.ts';
import { createSandbox } from './sandbox.ts';
import { temporaryFolder } from './testing/bench.ts';
import { openMachine } from './testing/machine.ts';
import { authorOn } from './testing/pack.ts';
import { realClock } from './testing/real-clock.ts';

function createRig(t: TestContext) {
  const machine = openMachine(temporaryFolder(t));
  const folder = join(machine.folder, 'scripts');
  mkdirSync(folder);
  const environment = { PATH: process.env.PATH, MACHINE: machine.folder, SECRET: 'not passed on' };
  const sandbox = createSandbox({ folder, environment, clock: realClock, redact: (text) => text });
  const run = (script: Script, signal = new AbortController().signal) =>
    sandbox.run(script, { contentPath: machine.contentPath, signal });
  return { machine, author: authorOn(machine), folder, run };
}

/** Whether a process with this id still runs; one that only waits for its parent to notice its end does not. */
function runs(pid: string): boolean {
  const status = `/proc/${pid.trim()}/stat`;
  return existsSync(status) && !/\) [ZX] /.test(readFileSync(status, 'utf8'));
}

/** Resolves once there is a file of that name. */
async function appears(folder: string, name: string): Promise<void> {
  const changes = watch(folder, { signal: AbortSignal.timeout(20_000) });
  if (existsSync(join(folder, name))) return;
  for await (const _ of changes) if (existsSync(join(folder, name))) return;
}

test('a script runs in an empty folder with few variables, and nothing is left of it', async (t) => {
  const { author, folder, run } = createRig(t);
  const text = 'ls -A; env | cut -d= -f1 | sort | tr "\\n" " "; echo "[$1][$2]"; touch left';
  const end = await run(author.script(text, { arguments: ['$HOME *', '--flag'] }));
  assert.ok(end.kind === 'exited' && end.ok);
  assert.equal(end.output, 'MACHINE PATH PWD TMPDIR [$HOME *][--flag]\n');
  assert.deepEqual(readdirSync(folder), []);
});

test("zx scripts run on the agent's own Node with zx's globals and their arguments as they are", async (t) => {
  const { author, run } = createRig(t);
  const text = `
    const { stdout } = await $\`echo from the shell\`;
    console.log(stdout.trim(), process.argv.slice(2), process.version);
    process.exit(5);`;
  const script = author.script(text, {
    interpreter: Interpreter.ZX,
    arguments: ['--version', 'a b'],
    successExitCodes: [5],
  });
  const end = await run(script);
  assert.ok(end.kind === 'exited' && end.ok, JSON.stringify(end));
  assert.equal(end.exitCode, 5);
  assert.equal(end.output, `from the shell [ '--version', 'a b' ] ${process.version}\n`);
});

test('a script that takes too long is ended with all that it started', async (t) => {
  const { machine, author, run } = createRig(t);
  const text = 'sleep 60 & echo $! >"$MACHINE/child"; echo begun; wait';
  const end = await run(author.script(text, { timeLimitMs: 300 }));
  assert.deepEqual(end, {
    kind: 'ended',
    reason: 'it was ended with all that it started after its 300 ms',
    output: 'begun\n',
  });
  assert.ok(!runs(readFileSync(join(machine.folder, 'child'), 'utf8')));
});

test('what a script leaves in the background ends with it', async (t) => {
  const { machine, author, run } = createRig(t);
  const end = await run(author.script('sleep 60 & echo $! >"$MACHINE/child"'));
  assert.ok(end.kind === 'exited' && end.ok);
  assert.ok(!runs(readFileSync(join(machine.folder, 'child'), 'utf8')));
});

test('a script ends when the agent stops', async (t) => {
  const { machine, author, run } = createRig(t);
  const stop = new AbortController();
  const ended = run(author.script('echo $$ >"$MACHINE/self"; sleep 60'), stop.signal);
  await appears(machine.folder, 'self');
  stop.abort();
  assert.deepEqual(await ended, { kind: 'stopped' });
});

test('a script dies with an agent that is killed', async (t) => {
  const { machine } = createRig(t);
  const victim = join(import.meta.dirname, 'testing', 'script-victim.ts');
  const agent = spawn(process.execPath, [victim, machine.folder], { stdio: 'ignore' });
  t.after(() => agent.kill('SIGKILL'));
  await appears(machine.folder, 'fifo');
  // The pipe ends when the last process of the script is gone.
  const pipe = createReadStream(join(machine.folder, 'fifo'));
  await once(pipe, 'data');
  const ended = once(pipe, 'end', { signal: AbortSignal.timeout(20_000) });
  pipe.resume();
  agent.kill('SIGKILL');
  await ended;
});

test('of much output the end is kept, with a note of what was dropped', async (t) => {
  const { author, run } = createRig(t);
  const text = 'yes 0123456789 | head -c 1000000; echo; echo the end';
  const end = await run(author.script(text, { maxOutputBytes: 1000 }));
  assert.ok(end.kind === 'exited' && end.ok);
  assert.match(end.output, /^\[999\d{3} bytes before this are left out\]\n/);
  assert.ok(end.output.endsWith('\nthe end\n') && Buffer.byteLength(end.output) < 1100);
});

test('a script that is missing, changed or for another system is not begun', async (t) => {
  const { machine, author, run } = createRig(t);
  const script = author.script('touch "$MACHINE/ran"');
  const path = machine.contentPath(Buffer.from(script.digest).toString('hex'));
  writeFileSync(path, 'touch "$MACHINE/ran" # changed');
  const changed = await run(script);
  assert.ok(changed.kind === 'refused');
  assert.match(changed.reason, /is not what its digest says/);
  const absent = await run({ ...script, digest: new Uint8Array(32) });
  assert.ok(absent.kind === 'refused');
  const foreign = await run(author.script('exit 0', { interpreter: Interpreter.POWERSHELL }));
  assert.deepEqual(foreign, { kind: 'refused', reason: 'PowerShell scripts run on Windows only' });
  assert.ok(!existsSync(join(machine.folder, 'ran')));
});

test('PowerShell gets the script as a file and its arguments as they are', () => {
  const found = interpreterFor(Interpreter.POWERSHELL, 'win32');
  assert.ok(found.kind === 'found');
  const { file, args } = found.command('C:\\job\\script.ps1', ['-Force', 'a b']);
  assert.equal(file, 'powershell.exe');
  assert.deepEqual(args.slice(-4), ['-File', 'C:\\job\\script.ps1', '-Force', 'a b']);
});
