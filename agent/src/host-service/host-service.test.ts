import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { create, toBinary } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import {
  ActionFailedSchema,
  HostService,
  RestartMachineRequestSchema,
  RestartServiceRequestSchema,
} from '@iotdh/proto/host/v1';
import { openCallJournal } from './call-journal.ts';
import { createCallNotes } from './call-notes.ts';
import { createJournalled } from './journalled.ts';
import { makeKeyFiles, readKeyFile } from './key-files.ts';
import { createRemoteOperations } from './remote.ts';

const victim = fileURLToPath(new URL('./testing/victim.ts', import.meta.url));
const program = fileURLToPath(new URL('../../bin/iotdh-host-service.js', import.meta.url));
const { signal } = new AbortController();
const operationId = '7b8a1c1e-0f65-4a39-9d8e-0a1f5f2f9a01';

async function rigFor(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-host-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const at = (name: string) => join(folder, name);
  await makeKeyFiles(at('keys'), Date.now());
  let child: ChildProcess | null = null;

  async function launch(args: string[], ready: RegExp): Promise<ChildProcess> {
    const started = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    child = started;
    await new Promise<void>((resolve, reject) => {
      let output = '';
      const hear = (text: Buffer) => {
        output += text.toString();
        if (ready.test(output)) resolve();
      };
      started.stdout?.on('data', hear);
      started.stderr?.on('data', hear);
      started.once('exit', () => reject(new Error(output)));
    });
    return started;
  }
  async function end(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<number | null> {
    if (child === null || child.exitCode !== null || child.signalCode !== null) return null;
    const over = once(child, 'exit');
    child.kill(signal);
    const [code] = (await over) as [number | null];
    return code;
  }
  t.after(() => end('SIGKILL'));

  const files = (keys = at('keys')) => ({
    ca: readFileSync(join(at('keys'), 'host.crt'), 'utf8'),
    cert: readFileSync(join(keys, 'agent.crt'), 'utf8'),
    key: readFileSync(join(keys, 'agent.key'), 'utf8'),
  });
  const client = (tls: Partial<ReturnType<typeof files>> = files()) =>
    createClient(
      HostService,
      createConnectTransport({
        baseUrl: 'https://host.invalid',
        httpVersion: '1.1',
        nodeOptions: { socketPath: at('host.sock'), ...tls, checkServerIdentity: () => undefined },
      }),
    );
  const acted = () => (existsSync(at('acted')) ? readFileSync(at('acted'), 'utf8').trim().split('\n') : []);
  return {
    at,
    launch,
    end,
    files,
    client,
    acted,
    start: (dieAt = 'none', what = '') => launch([victim, at(''), dieAt, what], /listening/),
  };
}

async function refusal(call: Promise<unknown>): Promise<ConnectError> {
  return await call.then(
    () => assert.fail('was answered'),
    (error: unknown) => ConnectError.from(error),
  );
}

test('an operation acts once, however often it is asked for, and its failure is told again too', async (t) => {
  const { start, end, client, acted } = await rigFor(t);
  await start();
  const ask = (name: string, id = operationId) => client().restartService({ operationId: id, name });
  const [one, other] = await Promise.all([ask('carto'), ask('carto')]);
  assert.deepEqual([one.output, other.output], ['carto runs', 'carto runs']);
  await end();
  await start();
  assert.equal((await ask('carto')).output, 'carto runs');
  assert.deepEqual(acted(), ['carto']);
  assert.equal((await refusal(ask('broken'))).code, Code.InvalidArgument, 'the id is another request’s');

  const brokenId = operationId.replace('9a01', '9a02');
  for (let times = 0; times < 2; times += 1) {
    const error = await refusal(ask('broken', brokenId));
    const [failed] = error.findDetails(ActionFailedSchema);
    assert.deepEqual([error.code, failed?.reason, failed?.exitCode], [Code.Aborted, 'the unit failed', 3]);
  }
  assert.deepEqual(acted(), ['carto', 'broken']);
});

test('what is not on the closed list, too long or not to be had here is refused, and nothing acts', async (t) => {
  const { start, client, acted } = await rigFor(t);
  await start();
  const host = client();
  const restart = (name: string) => refusal(host.restartService({ operationId, name }));
  assert.equal((await restart('sshd')).code, Code.PermissionDenied);
  assert.equal((await restart('carto; reboot')).code, Code.InvalidArgument);
  assert.equal((await restart('x'.repeat(129))).code, Code.InvalidArgument);
  const packages = [{ name: 'clamav', version: '1.4' }];
  const timeLimit = { seconds: 60n };
  const install = host.installPackages({ operationId, packages, timeLimit });
  assert.equal((await refusal(install)).code, Code.PermissionDenied);
  const huge = Array.from({ length: 10_000 }, () => ({ name: 'a'.repeat(128), version: '1'.repeat(128) }));
  const many = await refusal(host.simulatePackages({ packages: huge, timeLimit }));
  assert.equal(many.code, Code.InvalidArgument);
  const oversize = host.installPackages({ operationId, packages: [...huge, ...huge], timeLimit });
  assert.equal((await refusal(oversize)).code, Code.ResourceExhausted);
  assert.deepEqual(acted(), []);
});

/** Who called what and how that ended, in order. */
function notesIn(path: string): unknown[] {
  const database = new DatabaseSync(path);
  try {
    const rows = database.prepare('SELECT caller, method, outcome FROM note ORDER BY id').all();
    return rows.map(({ caller, method, outcome }) => [caller, method, outcome]);
  } finally {
    database.close();
  }
}

test('every call is written down, the refused ones too, and before it is looked at', async (t) => {
  const { at, start, end, client, files } = await rigFor(t);
  const died = once(await start('none', 'slots'), 'exit');
  const host = client();
  await host.getMachine({});
  await refusal(host.restartService({ operationId, name: 'sshd' }));
  await refusal(host.restartService({ operationId, name: 'carto; reboot' }));
  await refusal(host.restartService({ operationId, name: 'broken' }));
  const packages = Array.from({ length: 20_000 }, () => ({
    name: 'a'.repeat(128),
    version: '1'.repeat(128),
  }));
  await refusal(host.installPackages({ operationId, packages, timeLimit: { seconds: 60n } }));
  await refusal(client(files(await mkdtempKeys(t))).getMachine({}));
  await refusal(host.getSlots({}));
  await died;
  await end();
  assert.deepEqual(notesIn(at('calls.db')), [
    ['agent', 'GetMachine', 'ok'],
    ['agent', 'RestartService', 'PermissionDenied'],
    ['agent', 'RestartService', 'InvalidArgument'],
    ['agent', 'RestartService', 'Aborted'],
    ['agent', 'InstallPackages', 'http_429'],
    ['unknown', '', 'not_let_in'],
    ['agent', 'GetSlots', null],
  ]);
});

test('the notes of calls are bounded, and without room for one nothing is answered', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-host-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'calls.db');
  const journal = openCallJournal(path, { keptNotes: 3 });
  for (const method of ['a', 'b', 'c', 'd', 'e']) journal.note({ caller: 'agent', method, timeMs: 0 });
  journal.close();
  journal.noteEnd(5, 'ok', 0);
  assert.deepEqual(
    notesIn(path),
    ['c', 'd', 'e'].map((method) => ['agent', method, null]),
  );
  const small = openCallJournal(join(folder, 'small.db'), { maxBytes: 20_480 });
  t.after(() => small.close());
  // Until not even the shortest fits.
  for (const method of ['m'.repeat(400), '']) {
    while (small.note({ caller: '', method, timeMs: 0 }) !== null);
  }
  const answered: unknown[] = [];
  const response = {
    once: () => assert.fail('it goes on'),
    writeHead: (status: number) => ({ end: (text: string) => answered.push(status, JSON.parse(text).code) }),
  };
  const notes = createCallNotes({ journal: small, now: () => 0 });
  assert.equal(notes.begin({ url: `/${'x'.repeat(400)}` } as never, response as never, 'agent'), false);
  assert.deepEqual(answered, [429, 'resource_exhausted']);
});

test('only the pinned certificates are talked to, on either side, and the keys are for their owner alone', async (t) => {
  const { at, start, client, files } = await rigFor(t);
  await start();
  assert.equal(statSync(at('host.sock')).mode & 0o777, 0o600);
  const stranger = await mkdtempKeys(t);
  const calls = [client({ ca: files().ca }), client(files(stranger))].map((one) =>
    refusal(one.getMachine({})),
  );
  assert.equal((await Promise.all(calls)).length, 2);
  const impostor = client({ ...files(), ca: readFileSync(join(stranger, 'host.crt'), 'utf8') });
  assert.match((await refusal(impostor.getMachine({}))).message, /self-signed|certificate/);
  assert.equal((await client().getMachine({})).bootId, 'boot-1');
  for (const name of ['host.key', 'agent.key'])
    assert.equal(statSync(at(`keys/${name}`)).mode & 0o777, 0o600);
  chmodSync(at('keys/host.key'), 0o640);
  assert.throws(() => readKeyFile(at('keys/host.key')), /chmod 600/);
  await assert.rejects(makeKeyFiles(at('keys'), Date.now()), /already/);
});

async function mkdtempKeys(t: TestContext): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-host-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  await makeKeyFiles(join(folder, 'keys'), Date.now());
  return join(folder, 'keys');
}

test('killed around each write, the service restarts no service twice, and brings packages to their end', async (t) => {
  const deaths = [
    { point: 'before_journal', what: 'service', times: 1, interrupted: false },
    { point: 'after_journal', what: 'service', times: 0, interrupted: true },
    { point: 'after_action', what: 'service', times: 1, interrupted: true },
    { point: 'after_outcome', what: 'service', times: 1, interrupted: false },
    { point: 'after_action', what: 'packages', times: 2, interrupted: false },
  ];
  for (const { point, what, times, interrupted } of deaths) {
    const { start, files, at, acted } = await rigFor(t);
    const died = once(await start(point, what), 'exit');
    // The agent asks on, with the same id, until somebody answers.
    let restarts = 0;
    const remote = createRemoteOperations({
      ...{ socket: at('host.sock'), dataDir: at('data'), ...files() },
      async sleep() {
        await died;
        if (restarts++ === 0) await start('none', what);
      },
    });
    const limits = { allowDowngrades: false, timeLimitMs: 1000, signal, operation: 'job/step' };
    const end = await (what === 'service'
      ? remote.restartService('carto', signal, 'job/step')
      : remote.apt?.install([{ name: 'clamav', version: '1.4.1' }], limits));
    assert.equal(restarts, 1, point);
    assert.equal(acted().length, times, `${what} ${point}`);
    assert.equal(end?.kind, interrupted ? 'failed' : 'done', `${what} ${point}`);
    if (end?.kind === 'failed') assert.match(end.reason, /was under way when the host service ended/);
  }
});

test('an agent that was killed and asks again repeats nothing; one that has lived on may restart the machine again', async (t) => {
  const { at, start, files, acted } = await rigFor(t);
  await start();
  const agent = () =>
    createRemoteOperations({
      ...{ socket: at('host.sock'), dataDir: at('data'), ...files() },
      sleep: () => Promise.reject(new Error('the service is away')),
    });
  for (const remote of [agent(), agent()]) {
    assert.equal((await remote.restartService('carto', signal, 'job/follow-up')).kind, 'done');
    assert.equal((await remote.restartMachine('job/restart/boot-1')).kind, 'done');
  }
  assert.deepEqual(acted(), ['carto', 'the machine']);
  const living = agent();
  for (let times = 0; times < 2; times += 1) await living.restartMachine('job/restart/boot-1');
  assert.deepEqual(acted().slice(2), ['the machine']);
  await living.restartService('carto', signal, 'job/undo:follow-up');
  assert.deepEqual(acted().slice(3), ['carto']);
});

test('a call that cannot be written down does not act', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-host-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const journal = openCallJournal(join(folder, 'calls.db'), { maxBytes: 20_480 });
  t.after(() => journal.close());
  let kept = 0;
  const begin = (n: number) =>
    journal.begin({
      operationId: `${n}`.padEnd(400, 'x'),
      caller: 'agent',
      method: 'm',
      digest: 'd',
      timeMs: 0,
    });
  while (begin(kept)) kept += 1;
  assert.ok(kept > 0 && kept < 100);
  assert.deepEqual(journal.find(`${kept}`.padEnd(400, 'x'), 'd'), { kind: 'new' });
});

test('what was done and found no room in the journal is told all the same, and acts once', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-host-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const journal = openCallJournal(join(folder, 'calls.db'), { maxBytes: 20_480 });
  t.after(() => journal.close());
  const once = createJournalled({ journal, now: () => 0 });
  let acted = 0;
  const request = create(RestartServiceRequestSchema, { operationId, name: 'carto' });
  const ask = () =>
    once(HostService.method.restartService, request, false, async () => {
      acted += 1;
      return { kind: 'done', response: { output: 'x'.repeat(50_000) } };
    });
  assert.equal((await ask()).output.length, 50_000);
  assert.equal((await ask()).output.length, 50_000);
  assert.equal(acted, 1);
  assert.throws(
    () => openCallJournal(join(folder, 'calls.db')),
    /calls\.db is open in another process: a host service runs already/,
  );
});

test('an id belongs to one request of one method, whatever the bytes of another are', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-host-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const journal = openCallJournal(join(folder, 'calls.db'));
  t.after(() => journal.close());
  const once = createJournalled({ journal, now: () => 0 });
  const service = create(RestartServiceRequestSchema, { operationId });
  const machine = create(RestartMachineRequestSchema, { operationId });
  assert.deepEqual(
    toBinary(RestartServiceRequestSchema, service),
    toBinary(RestartMachineRequestSchema, machine),
  );
  const done = async () => ({ kind: 'done', response: {} }) as const;
  await once(HostService.method.restartService, service, false, done);
  const call = refusal(once(HostService.method.restartMachine, machine, true, done));
  assert.equal((await call).code, Code.InvalidArgument);
});

test('somebody who connects and says nothing does not keep the service from ending', async (t) => {
  const { at, start, end, client } = await rigFor(t);
  await start();
  const silent = connect(at('host.sock'));
  t.after(() => silent.destroy());
  silent.on('error', () => undefined);
  await once(silent, 'connect');
  assert.equal((await client().getMachine({})).bootId, 'boot-1');
  const closed = once(silent, 'close');
  assert.equal(await end(), 0);
  await closed;
});

test('the program restarts a service and installs packages for an agent in a container', async (t) => {
  const { at, launch, end, files } = await rigFor(t);
  const fakes = fileURLToPath(new URL('../install/apt/testing', import.meta.url));
  cpSync(fakes, at('programs'), { recursive: true });
  mkdirSync(at('packages'));
  writeFileSync(at('packages/clamav'), '1.4.0');
  // What an upgrade needs of the machine's other architecture, apt names with that.
  writeFileSync(at('needs'), 'libc6:i386=2.36-9+deb12u9\n');
  writeFileSync(at('packages/libc6:i386'), '2.36-9');
  writeFileSync(at('boot'), 'boot-7');
  const config = {
    socket: { path: at('host.sock') },
    ...{ keyFolder: at('keys'), stateFolder: at('state'), bootIdFile: at('boot'), packages: 'allowed' },
    serviceCommands: { carto: ['/bin/sh', '-c', `echo again >> ${at('restarted')}`] },
    programPath: `${at('programs')}:/usr/bin:/bin`,
  };
  writeFileSync(at('config.json'), JSON.stringify(config));
  await launch([program, '--config', at('config.json')], /listens/);
  const remote = createRemoteOperations({
    ...{ socket: at('host.sock'), dataDir: at('data'), ...files() },
    sleep: () => Promise.reject(new Error('the service is away')),
  });
  assert.equal(await remote.bootId(), 'boot-7');
  assert.equal((await remote.restartService('carto', signal, 'job/step')).kind, 'done');
  assert.equal(readFileSync(at('restarted'), 'utf8'), 'again\n');
  const { apt } = remote;
  assert.ok(apt);
  const limits = { timeLimitMs: 60_000, signal, operation: 'job/apply' };
  const wanted = [{ name: 'clamav', version: '1.4.1' }];
  assert.equal(await apt.versionOf('clamav', signal), '1.4.0');
  const simulated = await apt.simulate(wanted, limits);
  const before = [
    { name: 'libc6:i386', version: '2.36-9' },
    { name: 'clamav', version: '1.4.0' },
  ];
  assert.deepEqual(simulated, { kind: 'simulated', before });
  assert.equal((await apt.install(wanted, { ...limits, allowDowngrades: false })).kind, 'done');
  assert.equal(await apt.versionOf('clamav', signal), '1.4.1');
  const needed = () => readFileSync(at('packages/libc6:i386'), 'utf8').trim();
  assert.equal(needed(), '2.36-9+deb12u9');
  if (simulated.kind !== 'simulated') return;
  const back = { ...limits, operation: 'job/undo' };
  assert.equal((await apt.install(simulated.before, { ...back, allowDowngrades: true })).kind, 'done');
  assert.equal(await apt.versionOf('clamav', signal), '1.4.0');
  assert.equal(needed(), '2.36-9');
  assert.equal(await end(), 0);
});
