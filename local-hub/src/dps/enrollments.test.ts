import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManualClock } from '../engine/clock.ts';
import { openCollection } from '../engine/collection.ts';
import { createFakeDocuments } from '../engine/fake-documents.ts';
import { issueCertificate } from '../issue-certificate.ts';
import type { IndividualEnrollment } from './enrollment.ts';
import { createEnrollments } from './enrollments.ts';

function open(store = createFakeDocuments()) {
  const clock = createManualClock();
  const enrollments = createEnrollments<IndividualEnrollment>({
    stored: openCollection(store.documents, 'enrollment'),
    clock,
    idField: 'registrationId',
    complete: (registrationId, _body, terms) => ({ registrationId, ...terms }),
  });
  return { enrollments, clock, store };
}

const symmetric = { attestation: { type: 'symmetricKey' } };

test('an enrollment is created with keys of its own, and shown without them', async () => {
  const { enrollments } = open();
  const created = await enrollments.put('reg-1', symmetric);
  assert.ok(created.attestation.type === 'symmetricKey');
  const { primaryKey, secondaryKey } = created.attestation.symmetricKey;
  assert.equal(Buffer.from(primaryKey, 'base64').length, 32);
  assert.notEqual(primaryKey, secondaryKey);
  const { attestation, ...rest } = enrollments.get('REG-1');
  assert.deepEqual(attestation, { type: 'symmetricKey' });
  assert.deepEqual(enrollments.attestation('reg-1'), created.attestation);
  assert.deepEqual(rest, {
    registrationId: 'reg-1',
    capabilities: { iotEdge: false },
    provisioningStatus: 'enabled',
    reprovisionPolicy: { updateHubAssignment: true, migrateDeviceData: true },
    etag: created.etag,
    createdDateTimeUtc: '2026-01-01T00:00:00.000Z',
    lastUpdatedDateTimeUtc: '2026-01-01T00:00:00.000Z',
  });
});

test('a change needs the etag, keeps the keys that it does not name, and keeps when it was created', async () => {
  const { enrollments, clock } = open();
  const created = await enrollments.put('reg-1', symmetric);
  await assert.rejects(enrollments.put('reg-1', symmetric), { code: 'EnrollmentConflict', status: 409 });
  await assert.rejects(enrollments.put('reg-1', symmetric, '"old"'), {
    code: 'PreconditionFailed',
    status: 412,
  });
  await assert.rejects(enrollments.put('reg-2', symmetric, '*'), {
    code: 'EnrollmentNotFound',
    errorCode: 404201,
  });
  clock.advance(1_000);
  const changed = await enrollments.put(
    'reg-1',
    { ...symmetric, provisioningStatus: 'disabled', initialTwin: { tags: { site: 'a' } } },
    `"${created.etag}"`,
  );
  assert.deepEqual(changed.attestation, created.attestation);
  assert.equal(changed.provisioningStatus, 'disabled');
  assert.deepEqual(changed.initialTwin, { tags: { site: 'a' } });
  assert.equal(changed.createdDateTimeUtc, created.createdDateTimeUtc);
  assert.equal(changed.lastUpdatedDateTimeUtc, '2026-01-01T00:00:01.000Z');
  assert.notEqual(changed.etag, created.etag);
});

test('certificates are told by what they say, and kept when only that is repeated', async () => {
  const { enrollments, clock } = open();
  const { certPem } = await issueCertificate({
    commonName: 'reg-x',
    kind: 'client',
    validDays: 1,
    nowMs: clock.now(),
  });
  const x509 = { clientCertificates: { primary: { certificate: certPem } } };
  const created = await enrollments.put('reg-x', { attestation: { type: 'x509', x509 } });
  const { attestation } = enrollments.get('reg-x');
  assert.ok(attestation.type === 'x509' && 'clientCertificates' in attestation.x509);
  const { primary } = attestation.x509.clientCertificates;
  assert.deepEqual(Object.keys(primary), ['info']);
  assert.equal(primary.info.subjectName, 'CN=reg-x');
  assert.match(primary.info.sha256Thumbprint, /^[0-9A-F]{64}$/);
  const changed = await enrollments.put('reg-x', { attestation, provisioningStatus: 'disabled' }, '*');
  assert.deepEqual(changed.attestation, created.attestation);
});

test('what cannot be enrolled is refused with the reason', async () => {
  const { enrollments } = open();
  const key = { type: 'symmetricKey', symmetricKey: { primaryKey: 'short' } };
  const refused: [unknown, RegExp][] = [
    [null, /JSON object/],
    [{}, /attestation\.type/],
    [{ attestation: { type: 'tpm', tpm: {} } }, /TPM/],
    [{ attestation: key }, /primaryKey must be base64/],
    [{ attestation: { type: 'x509' } }, /x509 needs/],
    [{ attestation: { type: 'x509', x509: { clientCertificates: { primary: {} } } } }, /primary/],
    [
      { attestation: { type: 'x509', x509: { clientCertificates: { primary: { certificate: 'x' } } } } },
      /cannot be read/,
    ],
    [{ ...symmetric, provisioningStatus: 'on' }, /provisioningStatus/],
    [{ ...symmetric, allocationPolicy: 'custom' }, /custom/],
    [{ ...symmetric, initialTwin: [] }, /initialTwin must be an object/],
    [{ ...symmetric, registrationId: 'other' }, /registrationId/],
  ];
  for (const [body, message] of refused)
    await assert.rejects(enrollments.put('reg', body), { code: 'ArgumentInvalid', status: 400, message });
  for (const id of ['', '-a', 'a/b', 'a'.repeat(129)])
    await assert.rejects(enrollments.put(id, symmetric), { code: 'ArgumentInvalid' }, id);
});

test('enrollments are listed by id, in pages', async () => {
  const { enrollments } = open();
  for (const id of ['c', 'A', 'b']) await enrollments.put(id, symmetric);
  const first = enrollments.list({ maxItemCount: 2 });
  assert.deepEqual(
    first.items.map((each) => each.registrationId),
    ['A', 'b'],
  );
  const second = enrollments.list({ maxItemCount: 2, continuation: first.continuation });
  assert.deepEqual(
    second.items.map((each) => each.registrationId),
    ['c'],
  );
  assert.equal(second.continuation, undefined);
});

test('a bulk operation reports each refusal and does the rest', async () => {
  const { enrollments } = open();
  await enrollments.put('b', symmetric);
  const items = ['a', 'b'].map((registrationId) => ({ registrationId, ...symmetric }));
  assert.deepEqual(
    (await enrollments.bulk('create', items)).map(({ id, errorCode }) => [id, errorCode]),
    [['b', 409201]],
  );
  assert.deepEqual(await enrollments.bulk('delete', items), []);
  assert.deepEqual(enrollments.list().items, []);
  await assert.rejects(enrollments.bulk('create', []), { code: 'ArgumentInvalid' });
  assert.equal((await enrollments.bulk('replace', items)).length, 2);
});

test('enrollments outlive a restart, and one that could not be stored is not kept', async () => {
  const { enrollments, store } = open();
  const created = await enrollments.put('reg-1', symmetric);
  store.fail();
  await assert.rejects(enrollments.put('reg-2', symmetric), { code: 'StorageUnavailable' });
  const { enrollments: reopened } = open(createFakeDocuments(store.stored));
  assert.deepEqual(reopened.find('reg-1'), created);
  assert.equal(reopened.find('reg-2'), undefined);
  await reopened.remove('reg-1', created.etag);
  assert.throws(() => reopened.get('reg-1'), { code: 'EnrollmentNotFound' });
});
