import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import type { Finding } from '../diagnostics.ts';
import { type IssuedCertificate, issueCertificate } from '../issue-certificate.ts';
import { createAuthentication, type DeviceCredentials, type PolicyCredentials } from './authentication.ts';
import { openAuthorities } from './authorities.ts';
import { createManualClock } from './clock.ts';
import { createFakeDocuments } from './fake-documents.ts';
import { openPolicies } from './policies.ts';
import { openRegistry } from './registry.ts';
import { signSas } from './sas.ts';
import { thumbprintsOf } from './x509-trust.ts';

const host = 'localhost:18443';

async function open() {
  const store = createFakeDocuments();
  const clock = createManualClock();
  const registry = openRegistry({ store, clock });
  const policies = await openPolicies({ store });
  const authorities = openAuthorities({ store, clock });
  const findings: Finding[] = [];
  const log = { info() {}, warn: (finding: Finding) => void findings.push(finding) };
  const authentication = createAuthentication({ registry, policies, authorities, clock, log });
  const { authentication: keys, generationId } = await registry.create({ deviceId: 'd1' });
  const primaryKey = keys.symmetricKey.primaryKey ?? '';
  const secondaryKey = keys.symmetricKey.secondaryKey ?? '';
  const sign = (options: Partial<Parameters<typeof signSas>[0]> = {}) =>
    signSas({
      resource: `${host}/devices/d1`,
      key: primaryKey,
      expiresAtMs: clock.now() + 60_000,
      ...options,
    });
  const policyKey = (name: string) => policies.get(name)?.primaryKey ?? '';
  const lastReason = () => findings.at(-1)?.reason ?? '';
  function refused(credentials: Partial<DeviceCredentials>, reason: RegExp, code = 'Unauthorized'): void {
    assert.throws(() => authentication.authenticateDevice({ deviceId: 'd1', ...credentials }), { code });
    assert.match(lastReason(), reason);
  }
  return {
    registry,
    policies,
    authorities,
    authentication,
    findings,
    clock,
    sign,
    policyKey,
    lastReason,
    refused,
    generationId,
    secondaryKey,
  };
}

const presented = (issued: IssuedCertificate) => ({
  der: new X509Certificate(issued.certPem).raw,
  chain: [],
});

test('a device comes in with its primary or its secondary key', async () => {
  const { authentication, sign, generationId, secondaryKey, clock } = await open();
  for (const sasToken of [sign(), sign({ key: secondaryKey })]) {
    assert.deepEqual(authentication.authenticateDevice({ deviceId: 'd1', sasToken }), {
      deviceId: 'd1',
      generationId,
      authMethod: { scope: 'device', type: 'sas', issuer: 'iothub' },
      expiresAtMs: clock.now() + 60_000,
    });
  }
});

test('a device comes in with a policy that may speak for devices, and with no other', async () => {
  const { authentication, sign, policyKey, refused } = await open();
  const withPolicy = (policyName: string) => sign({ policyName, key: policyKey(policyName), resource: host });
  const auth = authentication.authenticateDevice({ deviceId: 'd1', sasToken: withPolicy('device') });
  assert.deepEqual(auth.authMethod, { scope: 'hub', type: 'sas', issuer: 'iothub' });
  authentication.authenticateDevice({ deviceId: 'd1', sasToken: withPolicy('iothubowner') });
  refused({ sasToken: withPolicy('service') }, /"service" does not have the right DeviceConnect/);
  refused({ sasToken: sign({ policyName: 'device' }) }, /not signed with the key/);
});

test('each way to be refused is told to the log with its remedy, and to the client without details', async () => {
  const { registry, findings, authentication, sign, refused, clock } = await open();
  await registry.create({ deviceId: 'd2' });
  refused({ sasToken: 'SharedAccessSignature nonsense' }, /malformed/);
  refused({ sasToken: sign({ resource: `${host}/devices/d2` }) }, /for "devices\/d2", not for "devices\/d1"/);
  refused({ sasToken: sign({ expiresAtMs: clock.now() - 5000 }) }, /expired at 2025-12-31T23:59:55Z/);
  refused({ sasToken: sign({ key: 'AAAA' }) }, /not signed with the key that is registered/);
  refused({ sasToken: sign({ dialect: 'eventhub' }) }, /other dialect/);
  refused({ sasToken: sign(), audience: `${host}/devices/d2` }, /audience "devices\/d2" is not/);
  refused({}, /neither a SAS token nor a certificate/);
  refused({ sasToken: '' }, /neither/);
  refused({ deviceId: 'D1', sasToken: sign() }, /not registered/);
  assert.ok(findings.every((finding) => finding.next !== undefined && finding.deviceId !== undefined));
  assert.doesNotMatch(JSON.stringify(findings), /SharedAccessSignature (?!sr=…)/);
  assert.throws(
    () => authentication.authenticateDevice({ deviceId: 'd1', sasToken: sign({ key: 'AAAA' }) }),
    (error: Error) => !/key|sign/.test(error.message),
  );
});

test('where a refused client came from is in the log, without the port, which would tell each attempt from the last', async () => {
  const { findings, refused } = await open();
  refused({ via: { protocol: 'mqtt', remote: '127.0.0.1:53412' } }, /neither/);
  assert.equal(findings[0]?.what, 'Device refused over mqtt from 127.0.0.1');
});

test('a disabled device is told so, but only when its credentials are right', async () => {
  const { registry, sign, refused } = await open();
  await registry.update({ deviceId: 'd1', status: 'disabled' });
  refused({ sasToken: sign() }, /disabled/, 'DeviceDisabled');
  refused({ sasToken: sign({ key: 'AAAA' }) }, /not signed/);
});

test('the audience of an AMQP client may name the device or something below it', async () => {
  const { authentication, sign } = await open();
  for (const audience of [`${host}/devices/d1`, `${host}/devices/d1/messages/events`]) {
    authentication.authenticateDevice({ deviceId: 'd1', sasToken: sign(), audience });
  }
});

test('a self-signed certificate is known by its SHA-1 or SHA-256 thumbprint, primary or secondary', async () => {
  const { registry, authentication, refused, clock } = await open();
  const make = () =>
    issueCertificate({ commonName: 'any', kind: 'client', validDays: 1, nowMs: clock.now() });
  const [one, two, three] = [await make(), await make(), await make()];
  await registry.update({
    deviceId: 'd1',
    authentication: {
      type: 'selfSigned',
      x509Thumbprint: {
        primaryThumbprint: thumbprintsOf(presented(one).der).sha1,
        secondaryThumbprint: thumbprintsOf(presented(two).der).sha256,
      },
    },
  });
  for (const known of [one, two]) {
    const auth = authentication.authenticateDevice({ deviceId: 'd1', clientCertificate: presented(known) });
    assert.deepEqual(auth.authMethod, { scope: 'device', type: 'x509Certificate', issuer: 'external' });
    assert.equal(auth.expiresAtMs, undefined);
  }
  refused({ clientCertificate: presented(three) }, /thumbprint [0-9A-F]{64}, which is not registered/);
});

test('a certificate of a registered authority lets in the device that it names', async () => {
  const { registry, authorities, authentication, refused, clock } = await open();
  const nowMs = clock.now();
  const root = await issueCertificate({ commonName: 'root', kind: 'authority', validDays: 30, nowMs });
  const issuer = root;
  const own = await issueCertificate({ commonName: 'd1', kind: 'client', validDays: 2, nowMs, issuer });
  const other = await issueCertificate({ commonName: 'd2', kind: 'client', validDays: 2, nowMs, issuer });
  await registry.update({ deviceId: 'd1', authentication: { type: 'certificateAuthority' } });
  refused({ clientCertificate: presented(own) }, /no certificate authority is registered/);
  await authorities.add({ name: 'root', certificatePem: root.certPem });
  authentication.authenticateDevice({ deviceId: 'd1', clientCertificate: presented(own) });
  refused({ clientCertificate: presented(other) }, /common name is "d2"/);
  clock.advance(3 * 86_400_000);
  refused({ clientCertificate: presented(own) }, /expired on/);
});

test('a device comes in only by the type of authentication that it is registered with', async () => {
  const { registry, sign, refused, clock } = await open();
  const certificate = await issueCertificate({
    commonName: 'd1',
    kind: 'client',
    validDays: 1,
    nowMs: clock.now(),
  });
  refused({ clientCertificate: presented(certificate) }, /registered with authentication.type sas/);
  const sasToken = sign();
  await registry.update({ deviceId: 'd1', authentication: { type: 'certificateAuthority' } });
  refused({ sasToken }, /registered with authentication.type certificateAuthority/);
  await registry.update({ deviceId: 'd1', authentication: { type: 'none' } });
  refused({ clientCertificate: presented(certificate) }, /registered with authentication.type none/);
});

test('a service comes in with a policy that has the right, in the dialect of its endpoint', async () => {
  const { authentication, sign, policyKey, lastReason, clock } = await open();
  const base: PolicyCredentials = { token: '', resource: host, need: 'ServiceConnect', dialect: 'iothub' };
  const token = sign({ resource: host, policyName: 'service', key: policyKey('service') });
  assert.deepEqual(authentication.authorizePolicy({ ...base, token }), {
    policyName: 'service',
    rights: ['ServiceConnect'],
    expiresAtMs: clock.now() + 60_000,
  });
  const eventHubs: PolicyCredentials = {
    ...base,
    resource: `sb://${host}/hub/ConsumerGroups/a`,
    dialect: 'eventhub',
  };
  const resource = `sb://${host}/hub`;
  const key = policyKey('iothubowner');
  const listen = sign({ resource, policyName: 'iothubowner', key, dialect: 'eventhub' });
  assert.equal(authentication.authorizePolicy({ ...eventHubs, token: listen }).policyName, 'iothubowner');

  function refusedService(credentials: PolicyCredentials, reason: RegExp): void {
    assert.throws(() => authentication.authorizePolicy(credentials), { code: 'Unauthorized' });
    assert.match(lastReason(), reason);
  }
  refusedService(
    { ...base, token, need: 'RegistryWrite' },
    /"service" does not have the right RegistryWrite/,
  );
  refusedService({ ...base, token: sign({ resource: host, policyName: 'boss' }) }, /no policy "boss"/);
  refusedService({ ...base, token: sign({ resource: host }) }, /no policy ""/);
  refusedService(
    { ...base, token: sign({ resource: host, policyName: 'service' }) },
    /not signed with the key/,
  );
  refusedService({ ...base, token: listen, resource: `${host}/hub` }, /other dialect/);
  refusedService(
    { ...eventHubs, token: listen, resource: `sb://${host}/other` },
    /for "hub", not for "other"/,
  );
  refusedService({ ...base, token: 'Bearer x' }, /malformed/);
});
