import assert from 'node:assert/strict';
import { test } from 'node:test';
import { issueCertificate } from '../issue-certificate.ts';
import { openAuthorities } from './authorities.ts';
import { createManualClock } from './clock.ts';
import { createFakeDocuments } from './fake-documents.ts';

const clock = createManualClock();

function issue(commonName: string, kind: 'authority' | 'client') {
  return issueCertificate({ commonName, kind, validDays: 30, nowMs: clock.now() });
}

test('an authority is kept over a restart and trusted beside the own one, until it is removed', async () => {
  const store = createFakeDocuments();
  const own = [(await issue('own', 'authority')).certPem];
  const { certPem } = await issue('factory', 'authority');
  const authorities = openAuthorities({ store, clock, own });
  const added = await authorities.add({ name: 'factory', certificatePem: certPem });
  assert.equal(added.subject, 'CN=factory');
  assert.match(added.thumbprint, /^[0-9A-F]{40}$/);
  assert.equal(authorities.certificates().length, 2);

  const restarted = openAuthorities({ store: createFakeDocuments(store.stored), clock, own });
  assert.deepEqual(restarted.list(), [added]);
  assert.deepEqual(
    restarted.certificates().map((each) => each.subject),
    ['CN=own', 'CN=factory'],
  );
  assert.equal(await restarted.remove('factory'), true);
  assert.equal(await restarted.remove('factory'), false);
  assert.deepEqual(
    restarted.certificates().map((each) => each.subject),
    ['CN=own'],
  );
});

test('what is not one certificate of an authority is refused', async () => {
  const authorities = openAuthorities({ store: createFakeDocuments(), clock });
  const authority = await issue('factory', 'authority');
  const device = await issue('device-1', 'client');
  const cases: [string, string][] = [
    ['not-pem', 'hello'],
    ['broken', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'],
    ['device', device.certPem],
    ['two', `${authority.certPem}\n${authority.certPem}`],
    ['bad name!', authority.certPem],
    ['', authority.certPem],
    ['long', `${authority.certPem}${' '.repeat(20_000)}`],
  ];
  for (const [name, certificatePem] of cases) {
    await assert.rejects(authorities.add({ name, certificatePem }), { code: 'ArgumentInvalid' }, name);
  }
  await authorities.add({ name: 'factory', certificatePem: authority.certPem });
  await assert.rejects(authorities.add({ name: 'factory', certificatePem: authority.certPem }), {
    code: 'Conflict',
  });
  assert.equal(authorities.list().length, 1);
});

test('no more than 25 authorities are kept', async () => {
  const authorities = openAuthorities({ store: createFakeDocuments(), clock });
  const { certPem } = await issue('factory', 'authority');
  for (let index = 0; index < 25; index += 1)
    await authorities.add({ name: `a${index}`, certificatePem: certPem });
  await assert.rejects(authorities.add({ name: 'one-more', certificatePem: certPem }), {
    code: 'ArgumentInvalid',
  });
});
