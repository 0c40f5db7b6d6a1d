import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { openAuthorities } from '../engine/authorities.ts';
import { createManualClock } from '../engine/clock.ts';
import { openCollection } from '../engine/collection.ts';
import { createFakeDocuments } from '../engine/fake-documents.ts';
import { signSas } from '../engine/sas.ts';
import { thumbprintsOf } from '../engine/x509-trust.ts';
import { type IssuedCertificate, issueCertificate } from '../issue-certificate.ts';
import { admit } from './admission.ts';
import { deriveDeviceKey } from './device-key.ts';
import type { EnrollmentGroup, IndividualEnrollment } from './enrollment.ts';
import { createEnrollments } from './enrollments.ts';
import type { RegistrationCaller } from './proof.ts';

const scopeId = '0ne00000000';
const primaryKey = Buffer.alloc(32, 1).toString('base64');
const secondaryKey = Buffer.alloc(32, 2).toString('base64');

function open() {
  const clock = createManualClock();
  const store = createFakeDocuments();
  const { documents } = store;
  const individuals = createEnrollments<IndividualEnrollment>({
    stored: openCollection(documents, 'enrollment'),
    clock,
    idField: 'registrationId',
    complete: (registrationId, body, terms) => ({
      registrationId,
      ...(typeof body.deviceId === 'string' && { deviceId: body.deviceId }),
      ...terms,
    }),
  });
  const groups = createEnrollments<EnrollmentGroup>({
    stored: openCollection(documents, 'enrollmentGroup'),
    clock,
    idField: 'enrollmentGroupId',
    complete: (enrollmentGroupId, _body, terms) => ({ enrollmentGroupId, ...terms }),
  });
  const authorities = openAuthorities({ store, clock });
  const caller = (change: Partial<RegistrationCaller>): RegistrationCaller => ({
    scopeId,
    registrationId: 'reg-1',
    sasToken: undefined,
    clientCertificate: undefined,
    remote: 'test',
    ...change,
  });
  return {
    clock,
    individuals,
    groups,
    authorities,
    admit: (change: Partial<RegistrationCaller>) =>
      admit(caller(change), clock.now(), { scopeId, individuals, groups, authorities }),
    sign: (key: string, registrationId = 'reg-1', lifeMs = 60_000) =>
      signSas({
        resource: `${scopeId}/registrations/${registrationId}`,
        key,
        expiresAtMs: clock.now() + lifeMs,
        policyName: 'registration',
      }),
    issue: (commonName: string, kind: 'client' | 'authority', issuer?: IssuedCertificate) =>
      issueCertificate({ commonName, kind, validDays: 1, nowMs: clock.now(), ...(issuer && { issuer }) }),
  };
}

const keys = { attestation: { type: 'symmetricKey', symmetricKey: { primaryKey, secondaryKey } } };
const presented = (leaf: IssuedCertificate, ...chain: IssuedCertificate[]) => ({
  der: new X509Certificate(leaf.certPem).raw,
  chain: chain.map(({ certPem }) => new X509Certificate(certPem).raw),
});

function refusal(admission: ReturnType<typeof admit>): string {
  assert.equal(admission.ok, false);
  return admission.ok ? '' : admission.reason;
}

test('an individually enrolled device comes in with either of its keys, which become those of its identity', async () => {
  const { individuals, admit, sign } = open();
  await individuals.put('reg-1', { ...keys, deviceId: 'device-7' });
  for (const key of [primaryKey, secondaryKey]) {
    const admission = admit({ sasToken: sign(key) });
    assert.ok(admission.ok);
    assert.equal(admission.deviceId, 'device-7');
    assert.equal(admission.enrollmentGroupId, undefined);
    assert.deepEqual(admission.authentication, { type: 'sas', symmetricKey: { primaryKey, secondaryKey } });
  }
});

test('a wrong key, another registration, another scope, an expired or missing token are refused', async () => {
  const { individuals, admit, sign } = open();
  await individuals.put('reg-1', keys);
  const otherKey = Buffer.alloc(32, 9).toString('base64');
  assert.match(refusal(admit({ sasToken: sign(otherKey) })), /not signed with the key/);
  assert.match(refusal(admit({ sasToken: sign(primaryKey, 'reg-2') })), /registrations\/reg-2/);
  assert.match(refusal(admit({ sasToken: sign(primaryKey, 'reg-1', -1_000) })), /expired/);
  assert.match(refusal(admit({ sasToken: 'SharedAccessSignature x' })), /malformed/);
  assert.match(refusal(admit({})), /no SAS token/);
  assert.match(
    refusal(admit({ scopeId: '0ne99999999', sasToken: sign(primaryKey) })),
    /id scope 0ne99999999/,
  );
});

test('a disabled enrollment admits nobody, and an individual one counts before a group', async () => {
  const { individuals, groups, admit, sign } = open();
  await groups.put('everybody', keys);
  const derived = deriveDeviceKey(primaryKey, 'reg-1');
  assert.ok(admit({ sasToken: sign(derived) }).ok);
  await individuals.put('reg-1', { ...keys, provisioningStatus: 'disabled' });
  assert.match(refusal(admit({ sasToken: sign(derived) })), /disabled/);
  await individuals.remove('reg-1');
  await groups.put('everybody', { ...keys, provisioningStatus: 'disabled' }, '*');
  assert.match(refusal(admit({ sasToken: sign(derived) })), /disabled/);
});

test('members of a group prove themselves with a key derived from its own', async () => {
  const { groups, admit, sign } = open();
  assert.match(refusal(admit({ sasToken: sign(primaryKey) })), /not enrolled/);
  await groups.put('line-1', keys);
  const admission = admit({ sasToken: sign(deriveDeviceKey(secondaryKey, 'reg-1')) });
  assert.ok(admission.ok);
  assert.equal(admission.deviceId, 'reg-1');
  assert.equal(admission.enrollmentGroupId, 'line-1');
  assert.deepEqual(admission.authentication, {
    type: 'sas',
    symmetricKey: {
      primaryKey: deriveDeviceKey(primaryKey, 'reg-1'),
      secondaryKey: deriveDeviceKey(secondaryKey, 'reg-1'),
    },
  });
  assert.match(refusal(admit({ sasToken: sign(primaryKey) })), /line-1 says/);
  assert.match(
    refusal(admit({ sasToken: sign(deriveDeviceKey(primaryKey, 'reg-2')) })),
    /not signed with the key/,
    'the key of another member',
  );
});

test('an individually enrolled certificate comes in when it is the one, is valid, and bears the registration id', async () => {
  const { individuals, admit, issue, clock } = open();
  const [own, other, misnamed] = await Promise.all(
    ['reg-1', 'reg-1', 'reg-2'].map((name) => issue(name, 'client')),
  );
  assert.ok(own && other && misnamed);
  const enroll = ({ certPem }: IssuedCertificate) =>
    individuals.put(
      'reg-1',
      { attestation: { type: 'x509', x509: { clientCertificates: { primary: { certificate: certPem } } } } },
      individuals.find('reg-1') && '*',
    );
  await enroll(misnamed);
  assert.match(refusal(admit({ clientCertificate: presented(misnamed) })), /common name.*"reg-2"/);
  await enroll(own);
  assert.match(refusal(admit({ clientCertificate: presented(other) })), /not the one/);
  assert.match(refusal(admit({ sasToken: 'x' })), /no client certificate/);
  const admission = admit({ clientCertificate: presented(own) });
  assert.ok(admission.ok);
  assert.deepEqual(admission.authentication, {
    type: 'selfSigned',
    x509Thumbprint: {
      primaryThumbprint: thumbprintsOf(new X509Certificate(own.certPem).raw).sha256,
      secondaryThumbprint: null,
    },
  });
  clock.advance(2 * 86_400_000);
  assert.match(refusal(admit({ clientCertificate: presented(own) })), /valid from/);
});

test('members of a group come in with a certificate that its authority signed, directly or through another', async () => {
  const { groups, authorities, admit, issue } = open();
  const root = await issue('Fleet root', 'authority');
  const intermediate = await issue('Line 1', 'authority', root);
  const leaf = await issue('reg-1', 'client', intermediate);
  const stranger = await issue('reg-1', 'client', await issue('Stranger', 'authority'));
  const signedBy = ({ certPem }: IssuedCertificate) => ({
    attestation: { type: 'x509', x509: { signingCertificates: { primary: { certificate: certPem } } } },
  });
  await groups.put('fleet', signedBy(root));
  assert.ok(admit({ clientCertificate: presented(leaf, intermediate) }).ok);
  assert.match(refusal(admit({ clientCertificate: presented(leaf) })), /no registered authority/);
  assert.match(refusal(admit({ clientCertificate: presented(stranger) })), /no registered authority/);
  assert.match(
    refusal(admit({ registrationId: 'reg-2', clientCertificate: presented(leaf, intermediate) })),
    /common name/,
  );
  await groups.put('fleet', signedBy(intermediate), '*');
  assert.ok(admit({ clientCertificate: presented(leaf) }).ok);
  await groups.put(
    'fleet',
    { attestation: { type: 'x509', x509: { caReferences: { primary: 'fleet-root' } } } },
    '*',
  );
  assert.match(
    refusal(admit({ clientCertificate: presented(leaf, intermediate) })),
    /no certificate authority/,
  );
  await authorities.add({ name: 'fleet-root', certificatePem: root.certPem });
  assert.ok(admit({ clientCertificate: presented(leaf, intermediate) }).ok);
});
