import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import type { Finding } from '../diagnostics.ts';
import { openAuthorities } from '../engine/authorities.ts';
import { createManualClock } from '../engine/clock.ts';
import { createFakeDocuments } from '../engine/fake-documents.ts';
import { openRegistry } from '../engine/registry.ts';
import { signSas } from '../engine/sas.ts';
import { openTwins } from '../engine/twins.ts';
import { issueCertificate } from '../issue-certificate.ts';
import type { RegistrationState } from './enrollment.ts';
import { createProvisioning, type RegistrationCaller } from './provisioning.ts';

const scopeId = '0ne00000000';
const hostName = 'localhost:18443';
const primaryKey = Buffer.alloc(32, 1).toString('base64');
const secondaryKey = Buffer.alloc(32, 2).toString('base64');
const keys = { attestation: { type: 'symmetricKey', symmetricKey: { primaryKey, secondaryKey } } };

function open(store = createFakeDocuments()) {
  const clock = createManualClock();
  const registry = openRegistry({ store, clock });
  const throttles = { take: async () => {}, meter() {} };
  const twins = openTwins({ store, registry, throttles, clock });
  const authorities = openAuthorities({ store, clock });
  const findings: Finding[] = [];
  const log = { info() {}, warn: (finding: Finding) => void findings.push(finding) };
  const provisioning = createProvisioning({
    engine: { registry, twins, authorities },
    documents: store.documents,
    clock,
    log,
    hostName,
    retryAfterSeconds: 3,
  });
  const caller = (change: Partial<RegistrationCaller> = {}): RegistrationCaller => ({
    scopeId,
    registrationId: 'reg-1',
    sasToken: signSas({
      resource: `${scopeId}/registrations/${change.registrationId ?? 'reg-1'}`,
      key: primaryKey,
      expiresAtMs: clock.now() + 60_000,
      policyName: 'registration',
    }),
    clientCertificate: undefined,
    remote: 'test',
    ...change,
  });
  return { clock, registry, twins, provisioning, findings, caller, store };
}

type Status = { operationId: string; status: string; registrationState: RegistrationState };

/** Registers and asks for the outcome, as a device does. */
async function register(
  { provisioning }: ReturnType<typeof open>,
  caller: RegistrationCaller,
): Promise<Status> {
  const body = Buffer.from(JSON.stringify({ registrationId: caller.registrationId }));
  const begun = await provisioning.register(caller, body);
  assert.equal(begun.status, 202, JSON.stringify(begun.body));
  assert.equal(begun.retryAfterSeconds, 3);
  const { operationId, status } = begun.body as Status;
  assert.equal(status, 'assigning');
  assert.match(operationId, /^5\.[0-9a-f]{16}\.[0-9a-f-]{36}$/);
  const done = await provisioning.status(caller, operationId);
  assert.equal(done.status, 200, JSON.stringify(done.body));
  return done.body as Status;
}

test('an enrolled device is assigned to the hub, with its keys and its first twin', async () => {
  const world = open();
  const { provisioning, registry, twins, caller } = world;
  await provisioning.individuals.put('reg-1', {
    ...keys,
    deviceId: 'device-7',
    initialTwin: { tags: { site: 'a' }, properties: { desired: { rate: 5 } } },
  });
  const { status, registrationState } = await register(world, caller());
  assert.equal(status, 'assigned');
  const { etag, ...state } = registrationState;
  assert.match(etag, /./);
  assert.deepEqual(state, {
    symmetricKey: {},
    registrationId: 'reg-1',
    createdDateTimeUtc: '2026-01-01T00:00:00.000Z',
    lastUpdatedDateTimeUtc: '2026-01-01T00:00:00.000Z',
    assignedHub: hostName,
    deviceId: 'device-7',
    status: 'assigned',
    substatus: 'initialAssignment',
  });
  assert.deepEqual(registry.require('device-7').authentication.symmetricKey, { primaryKey, secondaryKey });
  const { tags, properties } = twins.get('device-7');
  assert.deepEqual(tags, { site: 'a' });
  assert.equal(properties.desired.rate, 5);
  assert.deepEqual(provisioning.registrations.get('REG-1'), registrationState);
});

test('registering again keeps the identity and its twin, and follows changed keys', async () => {
  const world = open();
  const { provisioning, registry, twins, caller, clock } = world;
  await provisioning.individuals.put('reg-1', {
    ...keys,
    initialTwin: { properties: { desired: { rate: 5 } } },
  });
  const first = await register(world, caller());
  const identity = registry.require('reg-1');
  await twins.update('reg-1', { desired: { rate: 9 } }, { replace: false });
  clock.advance(1_000);
  const again = await register(world, caller());
  assert.deepEqual(registry.require('reg-1'), identity, 'nothing was written');
  assert.equal(twins.deviceView('reg-1').desired.rate, 9);
  assert.equal(again.registrationState.createdDateTimeUtc, first.registrationState.createdDateTimeUtc);
  assert.equal(again.registrationState.lastUpdatedDateTimeUtc, '2026-01-01T00:00:01.000Z');

  const symmetricKey = { primaryKey, secondaryKey: Buffer.alloc(32, 3).toString('base64') };
  await provisioning.individuals.put('reg-1', { attestation: { type: 'symmetricKey', symmetricKey } }, '*');
  await register(world, caller());
  const { authentication, generationId } = registry.require('reg-1');
  assert.deepEqual(authentication.symmetricKey, symmetricKey);
  assert.equal(generationId, identity.generationId);
});

test('a device that was deleted from the hub is made again, with its first twin', async () => {
  const world = open();
  const { provisioning, registry, twins, caller } = world;
  await provisioning.individuals.put('reg-1', { ...keys, initialTwin: { tags: { site: 'a' } } });
  await register(world, caller());
  await registry.remove('reg-1');
  await register(world, caller());
  assert.deepEqual(twins.get('reg-1').tags, { site: 'a' });
});

test('a refused device is told Unauthorized and no more; the log says why', async () => {
  const world = open();
  const { provisioning, caller, findings, clock } = world;
  const { status, body } = await provisioning.register(caller(), Buffer.from('{}'));
  assert.equal(status, 401);
  const { trackingId, ...rest } = body as Record<string, unknown>;
  assert.match(String(trackingId), /^[0-9a-f-]{36}$/);
  assert.deepEqual(rest, {
    errorCode: 401002,
    message: 'Unauthorized',
    timestampUtc: new Date(clock.now()).toISOString(),
  });
  assert.match(findings.at(-1)?.reason ?? '', /not enrolled/);
  assert.equal(findings.length, 1);
});

test('a malformed request and an unknown operation are answered as errors', async () => {
  const world = open();
  const { provisioning, caller } = world;
  await provisioning.individuals.put('reg-1', keys);
  for (const body of ['', '{', '[]', '{"registrationId":"other"}', `"${'x'.repeat(70_000)}"`]) {
    const answer = await provisioning.register(caller(), Buffer.from(body));
    assert.equal(answer.status, 400, body.slice(0, 40));
  }
  const { operationId } = await register(world, caller());
  assert.equal((await provisioning.status(caller(), 'unknown')).status, 404);
  assert.equal((await provisioning.status(caller({ sasToken: undefined }), operationId)).status, 401);
});

test('a device that the hub refuses is told that its registration failed', async () => {
  const world = open();
  const { provisioning, registry, caller } = world;
  await provisioning.individuals.put('reg-1', { ...keys, deviceId: 'not a device id' });
  const begun = await provisioning.register(caller(), Buffer.from('{}'));
  const { operationId } = begun.body as Status;
  const { status, registrationState } = (await provisioning.status(caller(), operationId)).body as Status;
  assert.equal(status, 'failed');
  assert.match(registrationState.errorMessage ?? '', /device id/);
  assert.equal(registry.has('not a device id'), false);
});

test('a member of a group is listed with it, and shows its certificate', async () => {
  const world = open();
  const { provisioning, registry, caller, clock } = world;
  const issue = (
    commonName: string,
    kind: 'client' | 'authority',
    issuer?: Awaited<ReturnType<typeof issueCertificate>>,
  ) => issueCertificate({ commonName, kind, validDays: 1, nowMs: clock.now(), ...(issuer && { issuer }) });
  const root = await issue('Fleet', 'authority');
  const { certPem } = await issue('reg-1', 'client', root);
  const x509 = { signingCertificates: { primary: { certificate: root.certPem } } };
  await provisioning.groups.put('fleet', { attestation: { type: 'x509', x509 } });
  await assert.rejects(provisioning.individuals.put('reg-1', { attestation: { type: 'x509', x509 } }), {
    code: 'ArgumentInvalid',
  });
  const { raw, fingerprint256 } = new X509Certificate(certPem);
  const presented = caller({ sasToken: undefined, clientCertificate: { der: raw, chain: [] } });
  const { registrationState } = await register(world, presented);
  assert.equal(registrationState.x509?.enrollmentGroupId, 'fleet');
  assert.equal(registrationState.x509.certificateInfo.subjectName, 'CN=reg-1');
  const { authentication } = registry.require('reg-1');
  assert.equal(authentication.type, 'selfSigned');
  assert.equal(authentication.x509Thumbprint.primaryThumbprint, fingerprint256.replaceAll(':', ''));
  assert.deepEqual(provisioning.registrations.listOf('Fleet').items, [registrationState]);
  assert.deepEqual(provisioning.registrations.listOf('other').items, []);
  await provisioning.registrations.remove('reg-1', registrationState.etag);
  assert.throws(() => provisioning.registrations.get('reg-1'), { code: 'RegistrationNotFound' });
  assert.ok(registry.has('reg-1'), 'the identity stays');
});

/** Runs a registration whose writes from the given one on never reach the disk, as when the process is killed there. */
async function killedAfter(writes: number, t: TestContext) {
  const store = createFakeDocuments();
  const world = open(store);
  const { provisioning, caller } = world;
  await provisioning.individuals.put('reg-1', { ...keys, initialTwin: { tags: { site: 'a' } } });
  let left = writes;
  const { put } = store.documents;
  t.mock.method(store.documents, 'put', (...args: Parameters<typeof put>) => {
    left -= 1;
    return left < 0 ? new Promise(() => {}) : put(...args);
  });
  void provisioning.register(caller(), Buffer.from('{}'));
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
  return open(createFakeDocuments(store.stored));
}

test('a registration that is killed at any write is made good by the next one', async (t) => {
  const writesInAll = 4;
  for (let writes = 0; writes <= writesInAll; writes++) {
    const world = await killedAfter(writes, t);
    const { twins, registry, caller } = world;
    const { status } = await register(world, caller());
    assert.equal(status, 'assigned', `killed after ${writes} writes`);
    assert.deepEqual(registry.require('reg-1').authentication.symmetricKey, { primaryKey, secondaryKey });
    assert.deepEqual(twins.get('reg-1').tags, { site: 'a' }, `killed after ${writes} writes`);
  }
});

test('a device can ask for the outcome after a restart', async () => {
  const before = open();
  await before.provisioning.individuals.put('reg-1', keys);
  const { operationId } = await register(before, before.caller());
  const { provisioning, caller } = open(createFakeDocuments(before.store.stored));
  assert.equal((await provisioning.status(caller(), operationId)).status, 200);
});
