import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { issueCertificate } from '../issue-certificate.ts';
import { createBlobStorage, parseStorageConnection } from './blob-storage.ts';

const key = Buffer.from('a storage key for the tests').toString('base64');
const now = () => Date.UTC(2026, 0, 1);

/** A storage account that records what is asked of it, and answers with the given statuses in turn. */
async function openAccount(t: TestContext, statuses: number[]) {
  const asked: { method: string; url: URL }[] = [];
  const server = createServer((request: IncomingMessage, response) => {
    asked.push({ method: request.method ?? '', url: new URL(request.url ?? '', 'http://host') });
    response.setHeader('last-modified', 'Thu, 01 Jan 2026 00:00:07 GMT');
    response.setHeader('content-length', '1234');
    response.writeHead(statuses.shift() ?? 500).end(request.method === 'HEAD' ? undefined : 'x'.repeat(1234));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const endpoint = `http://127.0.0.1:${port}/account`;
  const connectionString = `AccountName=account;AccountKey=${key};BlobEndpoint=${endpoint}/`;
  return { asked, port, endpoint, connectionString };
}

test('connection strings are read as the portal and Azurite write them', () => {
  const endpointOf = (text: string) => parseStorageConnection(text).endpoint.href;
  const portal = `DefaultEndpointsProtocol=https;AccountName=acc;AccountKey=${key};EndpointSuffix=core.windows.net`;
  assert.equal(endpointOf(portal), 'https://acc.blob.core.windows.net/');
  assert.equal(parseStorageConnection(portal).key, key);
  assert.equal(
    endpointOf(`AccountName=acc;AccountKey=${key};BlobEndpoint=https://localhost:1/acc;`),
    'https://localhost:1/acc',
  );
  assert.equal(endpointOf('UseDevelopmentStorage=true'), 'http://127.0.0.1:10000/devstoreaccount1');
});

test('a malformed connection string is refused without showing its key', () => {
  for (const text of [
    '',
    'AccountName=a',
    `AccountKey=${key}`,
    `AccountName=a;AccountKey=${key};BlobEndpoint=nowhere`,
    `AccountName=a;AccountKey=${key};BlobEndpoint=ftp://a`,
  ]) {
    assert.throws(
      () => parseStorageConnection(text),
      (error: Error & { code?: string }) => error.code === 'ArgumentInvalid' && !error.message.includes(key),
      text,
    );
  }
});

test('access is granted to one blob, for the time asked; the container is made once, before', async (t) => {
  const { asked, port, connectionString } = await openAccount(t, [201]);
  const storage = createBlobStorage({ connectionString, containerName: 'uploads' }, now);
  const expiresAtMs = now() + 3_600_000;
  const access = await storage.grant('d1/a b.txt', expiresAtMs);
  await storage.grant('d1/other', expiresAtMs);
  assert.equal(access.hostName, `127.0.0.1:${port}/account`);
  const query = new URLSearchParams(access.sasToken);
  assert.ok(access.sasToken.startsWith('?'));
  assert.equal(query.get('sr'), 'b');
  assert.equal(query.get('sp'), 'rw');
  assert.equal(query.get('se'), '2026-01-01T01:00:00Z');
  assert.equal(Buffer.from(query.get('sig') ?? '', 'base64').length, 32);
  assert.deepEqual(
    asked.map(({ method, url }) => `${method} ${url.pathname} ${url.searchParams.get('restype')}`),
    ['PUT /account/uploads container'],
  );
});

test('a container that exists is fine; one that could not be made is tried again', async (t) => {
  const { asked, connectionString } = await openAccount(t, [503, 409]);
  const storage = createBlobStorage({ connectionString, containerName: 'uploads' }, now);
  const message = /127\.0\.0\.1:\d+ did not make the container: status 503/;
  await assert.rejects(storage.grant('d1/a', now() + 1000), { code: 'StorageUnavailable', message });
  await storage.grant('d1/a', now() + 1000);
  assert.equal(asked.length, 2);
});

test('size and time of a blob are read, and a missing blob is told apart from a failure', async (t) => {
  const { asked, endpoint, connectionString } = await openAccount(t, [200, 404, 403]);
  const storage = createBlobStorage({ connectionString, containerName: 'uploads' }, now);
  assert.deepEqual(await storage.properties('d1/ä #1.txt'), {
    sizeBytes: 1234,
    lastModified: '2026-01-01T00:00:07.000Z',
  });
  assert.equal(await storage.properties('d1/none'), undefined);
  await assert.rejects(storage.properties('d1/secret'), {
    code: 'StorageUnavailable',
    message: /status 403/,
  });
  assert.equal(asked[0]?.method, 'HEAD');
  assert.equal(asked[0]?.url.pathname, '/account/uploads/d1/%C3%A4%20%231.txt');
  assert.equal(asked[0]?.url.searchParams.get('sp'), 'r');
  assert.equal(storage.uriOf('d1/ä #1.txt'), `${endpoint}/uploads/d1/%C3%A4%20%231.txt`);
});

test('a storage that is not there, or whose certificate is not trusted, is named with what to check', async (t) => {
  const { certPem, keyPem } = await issueCertificate({
    commonName: 'localhost',
    kind: 'server',
    names: ['127.0.0.1'],
    validDays: 1,
    nowMs: Date.now(),
  });
  const server = createSecureServer({ cert: certPem, key: keyPem }, (_request, response) => {
    response.writeHead(404).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const connectionString = `AccountName=a;AccountKey=${key};BlobEndpoint=https://127.0.0.1:${port}/a`;
  const trusting = createBlobStorage({ connectionString, containerName: 'uploads', caPem: certPem }, now);
  assert.equal(await trusting.properties('d1/a'), undefined);
  const other = createBlobStorage({ connectionString, containerName: 'uploads' }, now);
  const message = /self-signed certificate.*does the hub trust its certificate\?/;
  await assert.rejects(other.properties('d1/a'), { code: 'StorageUnavailable', message });
  server.close();
  server.closeAllConnections();
  await once(server, 'close');
  await assert.rejects(trusting.properties('d1/a'), { code: 'StorageUnavailable', message: /ECONNREFUSED/ });
  t.after(() => server.close());
});
