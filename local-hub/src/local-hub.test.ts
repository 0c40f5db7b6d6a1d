import assert from 'node:assert/strict';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect as tlsConnect } from 'node:tls';
import { type Finding, silentLog } from './diagnostics.ts';
import { createLocalHub, type LocalHubOptions } from './local-hub.ts';

async function temporaryDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'local-hub-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

async function running(t: TestContext, options: LocalHubOptions = {}) {
  const hub = await createLocalHub(options);
  t.after(() => hub.stop());
  return hub;
}

test('without options it serves from memory, with its authority in a temporary file', async (t) => {
  const hub = await running(t);
  assert.match(hub.hostName, /^localhost:\d+$/);
  assert.ok((await stat(hub.caPath)).isFile());
  assert.match(
    hub.connectionString(),
    /^HostName=localhost:\d+;SharedAccessKeyName=iothubowner;SharedAccessKey=.+=$/,
  );
  assert.match(hub.connectionString('service'), /SharedAccessKeyName=service;/);
  assert.throws(() => hub.connectionString('nobody'), /no shared access policy "nobody"/);
  await hub.stop();
  await assert.rejects(stat(hub.caPath), { code: 'ENOENT' });
});

test('a device connection string registers the device once', async (t) => {
  const hub = await running(t);
  const first = await hub.deviceConnectionString('d1');
  assert.equal(await hub.deviceConnectionString('d1'), first);
  await hub.engine.registry.create({ deviceId: 'x1', authentication: { type: 'certificateAuthority' } });
  assert.equal(await hub.deviceConnectionString('x1'), `HostName=${hub.hostName};DeviceId=x1;x509=true`);
});

test('Event Hubs clients are given the plain port, or TLS when it is off', async (t) => {
  const hub = await running(t);
  assert.match(
    hub.eventHubConnectionString(),
    new RegExp(`^Endpoint=sb://localhost:${hub.amqpPort};.*;UseDevelopmentEmulator=true$`),
  );
  assert.match(
    hub.eventHubConnectionString({ tls: true }),
    new RegExp(`^Endpoint=sb://localhost:${hub.port};[^]*EntityPath=[a-z0-9-]+$`),
  );
  const other = await running(t, { amqpPort: 'off' });
  assert.equal(other.amqpPort, undefined);
  assert.match(other.eventHubConnectionString(), new RegExp(`localhost:${other.port};`));
  assert.notEqual(other.eventHubName, hub.eventHubName, 'two hubs on one host must not share checkpoints');
});

test('a restart cuts connections and keeps ports, keys and devices', async (t) => {
  const hub = await running(t, { dataDir: await temporaryDirectory(t) });
  const before = [hub.port, hub.amqpPort, hub.connectionString(), await hub.deviceConnectionString('d1')];
  const { engine } = hub;
  const client = tlsConnect({ host: '127.0.0.1', port: hub.port, ca: hub.caPem }).on('error', () => {});
  const closed = new Promise((resolve) => client.once('close', resolve));
  await new Promise((resolve) => client.once('secureConnect', resolve));
  await hub.restart();
  await closed;
  assert.notEqual(hub.engine, engine);
  const after = [hub.port, hub.amqpPort, hub.connectionString(), await hub.deviceConnectionString('d1')];
  assert.deepEqual(after, before);
});

test('everything survives a crash and a start of another hub on the same folder', async (t) => {
  const dataDir = await temporaryDirectory(t);
  const first = await running(t, { dataDir, partitions: 2 });
  const known = [first.caPem, first.adminToken, first.connectionString().replace(/HostName=[^;]+/, '')];
  await first.deviceConnectionString('d1');
  await first.crash();
  const second = await running(t, { dataDir });
  assert.deepEqual(
    [second.caPem, second.adminToken, second.connectionString().replace(/HostName=[^;]+/, '')],
    known,
  );
  assert.ok(second.engine.registry.has('d1'));
  assert.equal(second.engine.telemetry.partitionIds.length, 2);
  assert.equal((await stat(join(dataDir, 'admin-token'))).mode & 0o777, 0o600);
});

test('in memory with a data directory only the certificates and the token are kept', async (t) => {
  const dataDir = await temporaryDirectory(t);
  const first = await running(t, { dataDir, inMemory: true });
  await first.deviceConnectionString('d1');
  await first.stop();
  const second = await running(t, { dataDir, inMemory: true });
  assert.equal(second.caPem, first.caPem);
  assert.equal(second.adminToken, first.adminToken);
  assert.equal(second.engine.registry.has('d1'), false);
});

test('a second hub on the same folder or port is refused, and a failed start leaves nothing behind', async (t) => {
  const dataDir = await temporaryDirectory(t);
  const first = await running(t, { dataDir });
  await assert.rejects(createLocalHub({ dataDir }), /another hub is running/);
  const otherDir = await temporaryDirectory(t);
  await assert.rejects(createLocalHub({ dataDir: otherDir, port: first.port }), { code: 'EADDRINUSE' });
  const third = await running(t, { dataDir: otherDir });
  assert.notEqual(third.port, first.port);
});

test('stop is quick with a client that never leaves, and may be called twice', async (t) => {
  const hub = await running(t);
  const client = tlsConnect({
    host: '127.0.0.1',
    port: hub.port,
    ca: hub.caPem,
    allowHalfOpen: true,
  } as never);
  client.on('error', () => {});
  await new Promise((resolve) => client.once('secureConnect', resolve));
  client.pause();
  client.write('AMQP');
  const started = performance.now();
  await Promise.all([hub.stop(), hub.stop()]);
  assert.ok(performance.now() - started < 5_000);
  client.destroy();
});

test('the fault "restart" restarts the hub', async (t) => {
  const restarted = Promise.withResolvers<void>();
  const log = {
    ...silentLog,
    info: ({ what }: Finding) => {
      if (what === 'Hub restarted') restarted.resolve();
    },
  };
  const hub = await running(t, { log });
  const { engine } = hub;
  await hub.deviceConnectionString('d1');
  hub.faults.inject({ kind: 'restart' });
  await restarted.promise;
  assert.notEqual(hub.engine, engine);
  assert.ok(hub.engine.registry.has('d1'));
});
