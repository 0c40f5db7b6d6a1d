import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { parseSas, type SasCheck, type SasToken, signSas, splitResource, verifySas } from './sas.ts';

const key = Buffer.from('a key that is known to the test!').toString('base64');
const nowMs = Date.UTC(2026, 0, 1);

function parsed(text: string): SasToken {
  const token = parseSas(text);
  assert.ok(token !== undefined, text);
  return token;
}

function verdict(text: string, check: Partial<SasCheck> = {}): string {
  const full: SasCheck = {
    token: parsed(text),
    keys: [key],
    dialect: 'iothub',
    path: 'devices/d1',
    nowMs,
    ...check,
  };
  const result = verifySas(full);
  return result.ok ? 'ok' : result.reason;
}

function tokenFor(resource: string, more: Partial<Parameters<typeof signSas>[0]> = {}): string {
  return signSas({ resource, key, expiresAtMs: nowMs + 60_000, ...more });
}

// Made by azure-iot-common 1.13.3 and @azure/core-amqp with the key above.
const recorded = {
  device:
    'SharedAccessSignature sr=localhost%3A18443%2Fdevices%2Fd1&sig=n9gRgcJpkeIY%2FGuhA%2BxeFYZpacVTHfPZDTrWHGyOj80%3D&se=1767225660',
  service:
    'SharedAccessSignature sr=localhost:18443&sig=2SzlWgc9fMHfrajXFmMuPgIYIneFV4rr6QSXE8wJtNU%3D&skn=service&se=1767225660',
  eventHubs:
    'SharedAccessSignature sr=sb%3A%2F%2Flocalhost%3A18443%2Fhub%2FConsumerGroups%2F%24Default%2FPartitions%2F0&sig=qwlcHsD40h06JWG20%2BR9R0a3Va9L2siyGHBrBhOwAHY%3D&se=1767229200&skn=service',
};

test('a token that the device SDK signed is accepted', () => {
  assert.equal(verdict(recorded.device), 'ok');
  assert.equal(tokenFor('localhost:18443/devices/d1'), recorded.device);
});

test('a token that the service SDK signed over an unencoded resource is accepted', () => {
  assert.equal(verdict(recorded.service, { path: 'messages/devicebound' }), 'ok');
  assert.equal(parsed(recorded.service).policyName, 'service');
});

test('a token that the Event Hubs SDK signed is accepted in the Event Hubs dialect only', () => {
  const path = 'hub/ConsumerGroups/$Default/Partitions/0';
  assert.equal(verdict(recorded.eventHubs, { dialect: 'eventhub', path }), 'ok');
  assert.equal(verdict(recorded.eventHubs, { path }), 'wrong-dialect');
  assert.equal(verdict(recorded.device, { dialect: 'eventhub' }), 'wrong-dialect');
});

test('a token opens its path and what is below it, by whole segments', () => {
  assert.equal(verdict(tokenFor('h')), 'ok');
  assert.equal(verdict(tokenFor('h/devices')), 'ok');
  assert.equal(verdict(tokenFor('h/devices/d1')), 'ok');
  assert.equal(verdict(tokenFor('h/devices/d1/')), 'ok');
  assert.equal(verdict(tokenFor('h/devices/d1'), { path: 'devices/d1/messages/events' }), 'ok');
  assert.equal(verdict(tokenFor('h/devices/d')), 'wrong-resource');
  assert.equal(verdict(tokenFor('h/devices/D1')), 'wrong-resource');
  assert.equal(verdict(tokenFor('h/devices/d1/messages')), 'wrong-resource');
  assert.equal(verdict(tokenFor('h/devices/d1'), { path: '' }), 'wrong-resource');
  assert.equal(verdict(tokenFor('h/devices/d1'), { path: 'devices/d10' }), 'wrong-resource');
});

test('a device id with reserved characters is accepted encoded once or twice', () => {
  const id = 'a%b#c?d';
  assert.equal(verdict(tokenFor(`h/devices/${id}`), { path: `devices/${id}` }), 'ok');
  assert.equal(verdict(tokenFor(`h/devices/${encodeURIComponent(id)}`), { path: `devices/${id}` }), 'ok');
});

test('host names are compared without case, and only when the caller lists them', () => {
  assert.equal(verdict(tokenFor('LOCALHOST:1/devices/d1'), { hosts: ['localhost:1'] }), 'ok');
  assert.equal(verdict(tokenFor('localhost:2/devices/d1'), { hosts: ['localhost:1'] }), 'wrong-resource');
  assert.equal(verdict(tokenFor('factory.azure-devices.net/devices/d1')), 'ok');
});

test('a token ends at the second it names', () => {
  assert.equal(verdict(tokenFor('h', { expiresAtMs: nowMs + 1000 })), 'ok');
  assert.equal(verdict(tokenFor('h', { expiresAtMs: nowMs })), 'expired');
});

test('an expired token with a wrong key is called expired, because that is what to mend first', () => {
  assert.equal(verdict(tokenFor('h', { expiresAtMs: 0, key: 'b3RoZXI=' })), 'expired');
});

test('each of several keys is accepted, another is refused', () => {
  const second = randomBytes(32).toString('base64');
  assert.equal(verdict(tokenFor('h', { key: second }), { keys: [key, second] }), 'ok');
  assert.equal(verdict(tokenFor('h', { key: second })), 'wrong-key');
  assert.equal(verdict(tokenFor('h'), { keys: [] }), 'wrong-key');
});

test('malformed tokens are refused without an exception', () => {
  const signature = encodeURIComponent(createHmac('sha256', 'k').update('x').digest('base64'));
  const malformed = [
    '',
    'Bearer abc',
    'SharedAccessSignature',
    'SharedAccessSignature ',
    'SharedAccessSignature sr=h&se=1',
    `SharedAccessSignature sr=h&sig=${signature}`,
    `SharedAccessSignature sr=h&sig=${signature}&se=soon`,
    `SharedAccessSignature sr=h&sig=${signature}&se=-1`,
    `SharedAccessSignature sr=h&sig=${signature}&se=1e9`,
    `SharedAccessSignature sr=h&sig=${signature}&se=${'9'.repeat(16)}`,
    `SharedAccessSignature sr=%E0%A4%A&sig=${signature}&se=1`,
    `SharedAccessSignature sr=h&sr=h&sig=${signature}&se=1`,
    'SharedAccessSignature sr=h&sig=c2hvcnQ%3D&se=1',
    `SharedAccessSignature sr=${'h'.repeat(5000)}&sig=${signature}&se=1`,
  ];
  for (const text of malformed) assert.equal(parseSas(text), undefined, text.slice(0, 60));
});

test('every signed token verifies, and none with one changed bit in its signature, resource or expiry does', () => {
  for (let round = 0; round < 300; round += 1) {
    const secret = randomBytes(16 + (round % 49)).toString('base64');
    const resource = `h${round}:1/devices/${randomBytes(6).toString('base64url')}`;
    const token = parsed(signSas({ resource, key: secret, expiresAtMs: nowMs + 1000 * (round + 1) }));
    const { path } = splitResource(resource);
    const accepted = (changed: Partial<SasToken>) =>
      verifySas({ token: { ...token, ...changed }, keys: [secret], dialect: 'iothub', path, nowMs }).ok;
    assert.equal(accepted({}), true);
    const signature = Buffer.from(token.signature);
    const byte = round % signature.length;
    signature[byte] = (signature[byte] ?? 0) ^ (1 << (round % 8));
    assert.equal(accepted({ signature }), false);
    assert.equal(accepted({ signedResource: `${token.signedResource}%2F` }), false);
    assert.equal(accepted({ signedExpiry: String(Number(token.signedExpiry) + 1) }), false);
  }
});
