import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { findAzurite, startAzurite } from './azurite.ts';
import { openCertificates } from './certificates.ts';
import { silentLog } from './diagnostics.ts';

async function options(t: TestContext, port = 0) {
  const directory = await mkdtemp(join(tmpdir(), 'local-hub-azurite-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const certificates = await openCertificates({ directory, hostNames: [], log: silentLog, now: Date.now });
  return {
    port,
    directory: join(directory, 'blobs'),
    certPath: join(directory, 'server.pem'),
    keyPath: join(directory, 'server.key'),
    caPem: certificates.caPem,
    searchFrom: [import.meta.dirname],
  };
}

test('Azurite serves https under the certificate of the hub, and is gone after stop', async (t) => {
  const { caPem, ...azuriteOptions } = await options(t);
  const azurite = await startAzurite(azuriteOptions);
  t.after(() => azurite.stop());
  const endpoint = /BlobEndpoint=([^;]+);/.exec(azurite.connectionString)?.[1] ?? '';
  const sent = request(`${endpoint}?comp=list`, { ca: caPem, agent: false }).end();
  const [response] = await once(sent, 'response');
  assert.equal(response.statusCode, 403, 'it answers, and wants a signature');
  response.resume();
  await once(response, 'close');

  await azurite.stop();
  assert.throws(() => process.kill(azurite.pid, 0), { code: 'ESRCH' });
});

test('without the package it says how to get it', async (t) => {
  const { caPem: _, ...azuriteOptions } = await options(t);
  assert.equal(findAzurite(['/']), undefined);
  await assert.rejects(startAzurite({ ...azuriteOptions, searchFrom: ['/'] }), /npm install azurite/);
});

/** A folder from which a package `azurite` is found that runs `program` instead. */
async function standIn(t: TestContext, program: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'local-hub-stand-in-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const main = join(folder, 'node_modules', 'azurite', 'dist', 'src', 'blob');
  await mkdir(main, { recursive: true });
  await writeFile(join(folder, 'node_modules', 'azurite', 'package.json'), '{}');
  await writeFile(join(main, 'main.js'), program);
  return folder;
}

test('when Azurite ends at once, the error is what it printed last', async (t) => {
  const program =
    "console.error('listen EADDRINUSE: address already in use 127.0.0.1:10000'); process.exit(1);";
  const { caPem: _, ...azuriteOptions } = await options(t);
  const searchFrom = [await standIn(t, program)];
  await assert.rejects(
    startAzurite({ ...azuriteOptions, searchFrom }),
    /ended with code 1: listen EADDRINUSE/,
  );
});

test('Azurite starts without the client of the telemetry that is switched off', async (t) => {
  const program = `require('applicationinsights');
    process.once('message', () => {});
    console.log('Azurite Blob service successfully listens on http://127.0.0.1:7');`;
  const folder = await standIn(t, program);
  await mkdir(join(folder, 'node_modules', 'applicationinsights'));
  const client = join(folder, 'node_modules', 'applicationinsights', 'index.js');
  await writeFile(client, "throw new Error('it was loaded');");
  const { caPem: _, ...azuriteOptions } = await options(t);
  const azurite = await startAzurite({ ...azuriteOptions, searchFrom: [folder] });
  await azurite.stop();
});

test('Azurite ends when the hub is killed', async (t) => {
  // The stand-in keeps a connection open, whose end tells that the process is gone.
  const server = createServer().listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const program = `require('node:net').connect(${port}, '127.0.0.1');
    process.once('message', () => {});
    console.log('Azurite Blob service successfully listens on http://127.0.0.1:7');`;
  const searchFrom = [await standIn(t, program)];
  const parent = `import { startAzurite } from ${JSON.stringify(join(import.meta.dirname, 'azurite.ts'))};
    await startAzurite({ port: 0, directory: '.', certPath: '', keyPath: '', searchFrom: ${JSON.stringify(searchFrom)} });
    console.log('ready');`;
  const hub = spawn(process.execPath, ['--input-type=module', '--eval', parent], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [[socket]] = await Promise.all([once(server, 'connection'), once(hub.stdout, 'data')]);
  const ended = once(socket.resume(), 'close');
  hub.kill('SIGKILL');
  await ended;
});
