import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { runHere } from '../testing/fake-fleet.ts';
import { beganOf, isAlive, lockFolder, ownerOf } from './folder-lock.ts';
import { createPart } from './part.ts';
import { choosePorts, isFree, onChosenPorts, type Ports, portNames } from './ports.ts';

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-dev-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test('ports are kept over starts, and one that is taken moves alone', async (t) => {
  const folder = temporaryFolder(t);
  const lines: string[] = [];
  const log = (line: string) => void lines.push(line);
  const first = await choosePorts(folder, {}, log);
  assert.equal(new Set(Object.values(first)).size, portNames.length);
  assert.deepEqual(await choosePorts(folder, { api: 1 }, log), first);
  const server = createServer().listen(first.api, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { api, ...rest } = await choosePorts(folder, {}, log);
  assert.notEqual(api, first.api);
  assert.deepEqual({ ...rest, api: first.api }, first);
  assert.deepEqual(lines, [`port ${first.api} is taken; api uses ${api}`]);
  assert.equal(await isFree(first.api), false);
});

/** Somebody else's server on a port. */
async function take(t: TestContext, port: number) {
  const server = createServer().listen(port, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return server;
}

const listensOn = (name: string, logPath: string, port: number, more: { onLost?(): void } = {}) =>
  createPart({
    ...{ name, logPath, portMs: 1, ...more },
    command: () => ({
      main: join(import.meta.dirname, 'testing', 'listens.ts'),
      args: [String(port)],
      env: process.env,
    }),
    ready: async ({ announced }) => void (await announced),
  });

test('a port that is taken between its choice and its use moves, and the others stay', async (t) => {
  const folder = temporaryFolder(t);
  const lines: string[] = [];
  const log = (line: string) => void lines.push(line);
  const tried: Ports[] = [];
  const part = await onChosenPorts(
    () => choosePorts(folder, {}, log),
    async (ports) => {
      tried.push(ports);
      if (tried.length === 1) await take(t, ports.api);
      const onLost = () => assert.fail('one that never served was said to be lost');
      const started = listensOn('api', join(folder, 'api.log'), ports.api, { onLost });
      await started.start();
      return started;
    },
    log,
  );
  t.after(() => part.kill());
  const [first, second, ...more] = tried;
  assert.ok(first !== undefined && second !== undefined && more.length === 0);
  assert.notEqual(second.api, first.api);
  assert.deepEqual({ ...second, api: first.api }, first);
  assert.match(lines[0] ?? '', /^api did not start: .*EADDRINUSE.*; choosing again$/);
  await assert.rejects(
    onChosenPorts(
      async () => first,
      async (ports) => listensOn('api', join(folder, 'again.log'), ports.api).start(),
      log,
    ),
    /EADDRINUSE/,
    'a port that cannot be had is not asked for without end',
  );
});

test('a part that others know by its port waits for it when somebody has it for an instant', async (t) => {
  const folder = temporaryFolder(t);
  const { api } = await choosePorts(folder, {}, () => undefined);
  const logPath = join(folder, 'api.log');
  const part = listensOn('api', logPath, api);
  t.after(() => part.kill());
  await part.start();
  await part.kill();
  const other = await take(t, api);
  const again = part.start();
  while (!(await readFile(logPath, 'utf8')).includes('EADDRINUSE')) await setTimeout(5);
  other.close();
  await again;
  assert.equal(await isFree(api), false);
});

test('a folder has one owner, and one that was killed does not count', async (t) => {
  const folder = temporaryFolder(t);
  const unlock = await lockFolder(folder);
  assert.equal((await ownerOf(folder))?.pid, process.pid);
  await assert.rejects(lockFolder(folder), new RegExp(`run already, by process ${process.pid}`));
  await unlock();
  assert.equal(await ownerOf(folder), undefined);
  // The same number, but another process: it began at another time.
  await writeFile(join(folder, 'lock'), JSON.stringify({ pid: process.pid, began: 'never' }));
  if (beganOf(process.pid) !== '') await (await lockFolder(folder))();
});

test('a part is killed and started again, and says with its log why it did not start', async (t) => {
  const logPath = join(temporaryFolder(t), 'part.log');
  const main = join(import.meta.dirname, 'testing', 'sleeper.ts');
  const part = createPart({
    ...{ name: 'sleeper', logPath },
    command: () => ({ main, args: [], env: process.env }),
    ready: async ({ announced }) => assert.equal(await announced, 'asleep'),
  });
  t.after(() => part.stop());
  await part.start();
  const { pid } = part;
  assert.ok(pid > 0);
  await part.kill();
  assert.equal(part.pid, 0);
  await part.start();
  assert.notEqual(part.pid, pid);
  await part.stop();
  assert.equal(await readFile(logPath, 'utf8'), 'asleep\nasleep\n');

  const broken = createPart({
    ...{ name: 'broken', logPath },
    command: () => ({ main: join(import.meta.dirname, 'missing.ts'), args: [], env: process.env }),
    ready: ({ announced }) => announced.then(() => undefined),
  });
  await assert.rejects(
    broken.start(),
    /broken did not start: Error \[ERR_MODULE_NOT_FOUND\]: Cannot find module .*missing\.ts.*part\.log/,
  );
});

test('a part ends when the process that started it is killed', async (t) => {
  const logPath = join(temporaryFolder(t), 'part.log');
  const victim = spawn(process.execPath, [join(import.meta.dirname, 'testing', 'victim.ts'), logPath], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface({ input: victim.stdout }), 'line')) as [string];
  const pid = Number(line);
  const owner = { pid, began: beganOf(pid) };
  assert.ok(isAlive(owner));
  victim.kill('SIGKILL');
  // Nothing tells of the end of a process that is not a child.
  for (let tries = 0; isAlive(owner) && tries < 500; tries += 1) await setTimeout(10);
  assert.equal(isAlive(owner), false);
});

test('status tells that nothing runs, reset removes only what is ours, and the doctor looks at everything', async (t) => {
  const folder = temporaryFolder(t);
  const env = { IOTDH_DEV_FOLDER: folder, PATH: process.env.PATH ?? '' };
  const status = await runHere(['dev', 'status'], env);
  assert.equal(status.code, 1);
  assert.equal((JSON.parse(status.out) as { state: string }).state, 'stopped');

  await writeFile(join(folder, 'precious'), '');
  const foreign = await runHere(['dev', 'reset', '--yes'], env);
  assert.equal(foreign.code, 2);
  assert.match(foreign.notes, /nothing was removed/);

  await choosePorts(folder, {}, () => undefined);
  const asking = await runHere(['dev', 'reset'], env);
  assert.equal(asking.code, 2);
  assert.match(asking.notes, /--yes/);
  assert.equal((await runHere(['dev', 'reset', '--yes'], env)).code, 0);
  await assert.rejects(readFile(join(folder, 'precious')), /ENOENT/);
  const doctor = await runHere(['dev', 'doctor'], env);
  const findings = JSON.parse(doctor.out) as { what: string; verdict: string }[];
  assert.deepEqual(
    findings.map(({ what }) => what),
    ['Node.js', 'database', 'ports', 'processes', 'authority', 'clock', 'disk'],
  );
});
