import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Certificates, openCertificates } from './certificates.ts';
import { silentLog } from './diagnostics.ts';

const dayMs = 86_400_000;

async function temporaryDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'local-hub-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

function open(
  directory: string | undefined,
  { nowMs = Date.now(), hostNames = [] as string[], log = silentLog } = {},
): Promise<Certificates> {
  return openCertificates({ directory, hostNames, log, now: () => nowMs });
}

test('the server certificate is signed by the authority and names localhost, both loopbacks and the host names', async () => {
  const certificates = await open(undefined, { hostNames: ['hub.test', '192.0.2.7'] });
  const server = new X509Certificate(certificates.server.certPem);
  const authority = new X509Certificate(certificates.caPem);
  assert.ok(server.verify(authority.publicKey));
  assert.ok(server.checkIssued(authority));
  assert.equal(authority.ca, true);
  assert.equal(server.ca, false);
  for (const name of ['localhost', 'hub.test']) assert.ok(server.checkHost(name), name);
  for (const address of ['127.0.0.1', '::1', '192.0.2.7']) assert.ok(server.checkIP(address), address);
  assert.equal(server.checkHost('other.test'), undefined);
  const years = (authority.validToDate.getTime() - Date.now()) / (365 * dayMs);
  assert.ok(years > 9.9 && years < 10.1);
});

test('a second start finds the same certificates, and keys are readable by their owner alone', async (t) => {
  const directory = await temporaryDirectory(t);
  const first = await open(directory);
  const second = await open(directory);
  assert.equal(second.caPem, first.caPem);
  assert.deepEqual(second.server, first.server);
  assert.equal(await readFile(first.caPath ?? '', 'utf8'), first.caPem);
  for (const key of ['ca.key', 'server.key']) {
    assert.equal((await stat(join(directory, key))).mode & 0o777, 0o600, key);
  }
  assert.deepEqual((await readdir(directory)).sort(), ['ca.key', 'ca.pem', 'server.key', 'server.pem']);
});

test('the server certificate is renewed before it ends, under the same authority', async (t) => {
  const directory = await temporaryDirectory(t);
  const first = await open(directory);
  const later = await open(directory, { nowMs: Date.now() + 370 * dayMs });
  assert.equal(later.caPem, first.caPem);
  assert.notEqual(later.server.certPem, first.server.certPem);
  assert.ok(new X509Certificate(later.server.certPem).validToDate.getTime() > Date.now() + 700 * dayMs);
});

test('a new host name renews the server certificate', async (t) => {
  const directory = await temporaryDirectory(t);
  const first = await open(directory);
  const second = await open(directory, { hostNames: ['hub.test'] });
  assert.equal(second.caPem, first.caPem);
  assert.ok(new X509Certificate(second.server.certPem).checkHost('hub.test'));
});

test('a damaged authority is replaced, and the person is told', async (t) => {
  const directory = await temporaryDirectory(t);
  const first = await open(directory);
  await writeFile(join(directory, 'ca.key'), 'not a key');
  const warnings: string[] = [];
  const log = { ...silentLog, warn: ({ what }: { what: string }) => void warnings.push(what) };
  const second = await open(directory, { log });
  assert.notEqual(second.caPem, first.caPem);
  assert.deepEqual(warnings, ['Certificate authority replaced']);
  const server = new X509Certificate(second.server.certPem);
  assert.ok(server.verify(new X509Certificate(second.caPem).publicKey));
});

test('client certificates carry the device id as it is, through an intermediate and from a foreign root', async () => {
  const certificates = await open(undefined);
  const intermediate = await certificates.issueIntermediate('line 7');
  const leaf = new X509Certificate(
    (await certificates.issueClient('a,CN=b', { issuer: intermediate })).certPem,
  );
  assert.equal(leaf.toLegacyObject().subject.CN, 'a,CN=b');
  assert.ok(leaf.checkIssued(new X509Certificate(intermediate.certPem)));
  assert.ok(leaf.verify(new X509Certificate(intermediate.certPem).publicKey));
  const root = await certificates.issueAuthority('another company');
  const foreign = new X509Certificate((await certificates.issueClient('d', { issuer: root })).certPem);
  assert.equal(foreign.verify(new X509Certificate(certificates.caPem).publicKey), false);
  const expired = await certificates.issueClient('late', { validDays: -1 });
  assert.ok(new X509Certificate(expired.certPem).validToDate.getTime() < Date.now());
});
