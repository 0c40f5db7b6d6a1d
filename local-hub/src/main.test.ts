/** The hub as people start it: a process with arguments, output, signals and exit codes. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect as tlsConnect } from 'node:tls';
import type { Announcement } from './announcement.ts';

const program = join(import.meta.dirname, '..', 'bin', 'iotdh-local-hub.js');

async function temporaryDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'local-hub-'));
  // The hub may still write: its end is a later hook, which a failure of this one would keep from running.
  t.after(() => rm(directory, { recursive: true, force: true, maxRetries: 10 }));
  return directory;
}

type Process = {
  child: ChildProcess;
  stdout: () => string;
  stderr: () => string;
  exit: Promise<number | null>;
};

function run(t: TestContext, args: string[]): Process {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk));
  const exit = once(child, 'close').then(([code]) => code as number | null);
  return { child, stdout: () => stdout, stderr: () => stderr, exit };
}

/** Starts a hub on free ports and waits for its announcement. */
async function start(t: TestContext, args: string[]): Promise<Process & { announcement: Announcement }> {
  const hub = run(t, ['--port', '0', '--amqp-port', '0', '--json', ...args]);
  await Promise.race([once(hub.child.stdout as NonNullable<ChildProcess['stdout']>, 'data'), hub.exit]);
  assert.ok(hub.stdout() !== '', hub.stderr());
  return { ...hub, announcement: JSON.parse(hub.stdout()) as Announcement };
}

test('it announces where it is and how to connect, and ends cleanly on SIGTERM', async (t) => {
  const dataDir = await temporaryDirectory(t);
  const { announcement, child, exit, stderr } = await start(t, ['--data-dir', dataDir, '--device', 'd1']);
  const { hostName, ports, amqpPort, caPath, adminTokenPath, pid } = announcement;
  const device = String(announcement.devices.d1);
  assert.equal(hostName, `localhost:${ports[0]}`);
  assert.equal(pid, child.pid);
  assert.match(announcement.service, new RegExp(`^HostName=${hostName};SharedAccessKeyName=iothubowner;`));
  assert.match(announcement.eventHub, new RegExp(`^Endpoint=sb://localhost:${amqpPort};`));
  assert.match(device, new RegExp(`^HostName=${hostName};DeviceId=d1;SharedAccessKey=`));
  assert.match(announcement.provisioning.idScope, /^0ne/);
  assert.equal((await stat(adminTokenPath)).mode & 0o777, 0o600);

  const ca = await readFile(caPath, 'utf8');
  const [response] = await once(
    request(`https://${hostName}/healthz`, { ca, agent: false }).end(),
    'response',
  );
  assert.equal(response.statusCode, 200);
  response.resume();

  child.kill('SIGTERM');
  assert.equal(await exit, 0);
  assert.match(stderr(), /"what":"Stopping","reason":"SIGTERM"/);
  const keys = [announcement.service, device].map((text) => text.split('SharedAccessKey=')[1] ?? '');
  for (const key of keys) assert.ok(key.length > 40 && !stderr().includes(key), 'keys are not logged');
});

test('without --device a new hub registers device-1, and a later start shows what is there', async (t) => {
  const dataDir = await temporaryDirectory(t);
  const first = await start(t, ['--data-dir', dataDir]);
  const strings = first.announcement.devices;
  assert.deepEqual(Object.keys(strings), ['device-1']);
  first.child.kill('SIGKILL');
  await first.exit;
  const second = await start(t, ['--data-dir', dataDir]);
  const key = (text = '') => text.split('SharedAccessKey=')[1];
  assert.equal(key(second.announcement.devices['device-1']), key(strings['device-1']));
});

test('a second signal ends it at once', async (t) => {
  const hub = await start(t, ['--in-memory', '--data-dir', await temporaryDirectory(t)]);
  const { announcement, child, exit } = hub;
  const ca = await readFile(announcement.caPath, 'utf8');
  // A client that never answers the goodbye keeps the hub waiting after the first signal.
  const client = tlsConnect({ host: '127.0.0.1', port: announcement.ports[0] ?? 0, ca }).on(
    'error',
    () => {},
  );
  t.after(() => client.destroy());
  client.write(Buffer.from('AMQP\x00\x01\x00\x00', 'latin1'));
  await once(client, 'data');
  child.kill('SIGINT');
  while (!hub.stderr().includes('Stopping'))
    await once(child.stderr as NonNullable<ChildProcess['stderr']>, 'data');
  child.kill('SIGTERM');
  assert.equal(await exit, 130);
});

test('a port in use and a folder in use are explained, with exit code 1', async (t) => {
  const dataDir = await temporaryDirectory(t);
  const first = await start(t, ['--data-dir', dataDir]);
  const port = String(first.announcement.ports[0]);
  const otherDir = await temporaryDirectory(t);
  const samePort = run(t, ['--port', port, '--amqp-port', '0', '--data-dir', otherDir]);
  const sameFolder = run(t, ['--port', '0', '--amqp-port', '0', '--data-dir', dataDir]);
  assert.deepEqual(await Promise.all([samePort.exit, sameFolder.exit]), [1, 1]);
  assert.match(
    samePort.stderr(),
    new RegExp(`^The hub did not start: port ${port} on 127.0.0.1 is in use\\. .*--port`),
  );
  assert.match(
    sameFolder.stderr(),
    /^The hub did not start: another hub is running on .*use another data directory/,
  );
});

test('wrong arguments end with code 2 and a hint, help and version with 0', async (t) => {
  const [wrong, help, version] = [run(t, ['--sku', 'X']), run(t, ['--help']), run(t, ['--version'])];
  assert.deepEqual(await Promise.all([wrong.exit, help.exit, version.exit]), [2, 0, 0]);
  assert.match(wrong.stderr(), /--sku must be one of .* See iotdh-local-hub --help/);
  assert.match(help.stdout(), /--data-dir/);
  assert.match(version.stdout(), /^\d+\.\d+\.\d+\n$/);
});

test('a device certificate comes from the same authority as the server certificate', async (t) => {
  const [dataDir, out] = [await temporaryDirectory(t), await temporaryDirectory(t)];
  const command = run(t, ['certificate', 'd1', '--data-dir', dataDir, '--out', out]);
  assert.equal(await command.exit, 0);
  const certificate = new X509Certificate(await readFile(join(out, 'd1.pem')));
  const authority = new X509Certificate(await readFile(join(dataDir, 'certificates', 'ca.pem')));
  assert.ok(certificate.verify(authority.publicKey));
  assert.equal(certificate.subject, 'CN=d1');
  assert.equal((await stat(join(out, 'd1.key'))).mode & 0o777, 0o600);
  const strange = run(t, ['certificate', '../d1', '--data-dir', dataDir, '--out', out]);
  assert.equal(await strange.exit, 1);
  assert.match(strange.stderr(), /^No certificate was made: "..\/d1" cannot be a device id/);
});
