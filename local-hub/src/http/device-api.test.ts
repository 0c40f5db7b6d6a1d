/** The paths that devices use: events, commands, file uploads; with keys and with certificates. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import type { HubMessage } from '../engine/message.ts';
import { thumbprintsOf } from '../engine/x509-trust.ts';
import { startRig } from './test-rig.ts';

const { hub, call, addDevice } = await startRig();
await addDevice('d1');
const as = { device: 'd1' };
const eventsPath = '/devices/d1/messages/events';
const commandsPath = '/devices/d1/messages/devicebound';

function eventsOf(deviceId: string) {
  const { telemetry } = hub.engine;
  const cursor = telemetry.open(telemetry.partitionOf(deviceId), 'earliest');
  const events = cursor.read(1_000).filter((event) => event.deviceId === deviceId);
  cursor.close();
  return events;
}

test('an event keeps its body and its properties, the case of their names included', async () => {
  const body = Buffer.from([0, 1, 255]);
  const headers = {
    'iothub-messageid': 'm1',
    'IoTHub-CorrelationId': 'c1',
    'iothub-contenttype': 'application/json',
    'iothub-contentencoding': 'utf-8',
    'iothub-app-Site': 'ward 7',
    'dt-subject': 'thermostat',
  };
  const { status, text } = await call('POST', eventsPath, { as, body, headers });
  assert.deepEqual([status, text], [204, '']);
  const [event] = eventsOf('d1');
  assert.deepEqual(event?.message.body, body);
  assert.deepEqual(event?.message.properties, { Site: 'ward 7', 'dt-subject': 'thermostat' });
  assert.deepEqual(event?.message.system, {
    messageId: 'm1',
    correlationId: 'c1',
    contentType: 'application/json',
    contentEncoding: 'utf-8',
  });
  assert.deepEqual(event?.authMethod, { scope: 'device', type: 'sas', issuer: 'iothub' });
});

test('a batch becomes one event per element, or none when one of them is wrong', async () => {
  await addDevice('batch');
  const path = '/devices/batch/messages/events';
  const headers = { 'content-type': 'application/vnd.microsoft.iothub.json' };
  const send = (body: unknown) => call('POST', path, { as: { device: 'batch' }, headers, body });
  const good = [
    {
      body: Buffer.from('one').toString('base64'),
      properties: { 'iothub-app-n': '1', 'iothub-messageid': 'm' },
    },
    { body: 'two', base64Encoded: false },
  ];
  assert.equal((await send(good)).status, 204);
  const stored = eventsOf('batch').map(({ message }) => [message.body.toString(), message.properties]);
  assert.deepEqual(stored, [
    ['one', { n: '1' }],
    ['two', {}],
  ]);
  for (const wrong of [[], {}, [...good, { body: 5 }], [null]]) {
    assert.equal((await send(wrong)).status, 400, JSON.stringify(wrong));
  }
  assert.equal(eventsOf('batch').length, 2);
});

test('an event that is too large is 413', async () => {
  const { status } = await call('POST', eventsPath, { as, body: Buffer.alloc(262_145) });
  assert.equal(status, 413);
  assert.equal((await call('POST', eventsPath, { as, body: Buffer.alloc(600_000) })).status, 413);
  assert.equal((await call('POST', eventsPath, { as, headers: { 'iothub-expiry': 'soon' } })).status, 400);
});

async function send(message: Partial<HubMessage>): Promise<void> {
  await hub.engine.cloudToDevice.send('d1', {
    body: Buffer.from('x'),
    system: {},
    properties: {},
    ...message,
  });
}

test('a command comes with its properties as headers, and is gone when it is completed', async () => {
  await send({
    body: Buffer.from([0, 128]),
    system: { messageId: 'm1', correlationId: 'c1', ack: 'full' },
    properties: { Plain: 'yes', 'ä b': 'grün\n' },
  });
  const { status, headers } = await call('GET', commandsPath, { as });
  assert.equal(status, 200);
  assert.equal(headers['iothub-messageid'], 'm1');
  assert.equal(headers['iothub-correlationid'], 'c1');
  assert.equal(headers['iothub-ack'], 'full');
  assert.equal(headers['iothub-app-plain'], 'yes');
  assert.equal(headers['iothub-app-%c3%a4%20b'], 'gr%C3%BCn%0A');
  const lockToken = /^"(.+)"$/.exec(headers.etag ?? '')?.[1];
  assert.ok(lockToken);
  // Locked: there is nothing else for the device.
  assert.equal((await call('GET', commandsPath, { as })).status, 204);
  assert.equal((await call('DELETE', `${commandsPath}/${lockToken}`, { as })).status, 204);
  const again = await call('DELETE', `${commandsPath}/${lockToken}`, { as });
  assert.deepEqual([again.status, again.headers['iothub-errorcode']], [412, 'DeviceMessageLockLost']);
  assert.equal(hub.engine.cloudToDevice.pending('d1'), 0);
});

test('an abandoned command comes again, a rejected one does not', async () => {
  await send({});
  const lock = async () => {
    const { headers } = await call('GET', commandsPath, { as });
    return { token: headers.etag?.slice(1, -1) ?? '', count: headers['iothub-deliverycount'] };
  };
  const first = await lock();
  assert.equal((await call('POST', `${commandsPath}/${first.token}/abandon`, { as })).status, 204);
  const second = await lock();
  assert.deepEqual([first.count, second.count], ['0', '1']);
  assert.equal((await call('DELETE', `${commandsPath}/${second.token}?reject`, { as })).status, 204);
  assert.equal(hub.engine.cloudToDevice.pending('d1'), 0);
});

test('devices with certificates need no token: by thumbprint, by authority, and through an intermediate', async () => {
  const { certificates } = hub;
  const root = await certificates.issueAuthority('somebody');
  const selfMade = await certificates.issueClient('by-thumbprint', { issuer: root });
  const { sha256 } = thumbprintsOf(new X509Certificate(selfMade.certPem).raw);
  await addDevice('by-thumbprint', {
    authentication: {
      type: 'selfSigned',
      x509Thumbprint: { primaryThumbprint: sha256, secondaryThumbprint: sha256 },
    },
  });
  await addDevice('by-authority', { authentication: { type: 'certificateAuthority' } });
  const intermediate = await certificates.issueIntermediate('plant 1');
  const leaf = await certificates.issueClient('by-authority', { issuer: intermediate });
  const direct = await certificates.issueClient('by-authority');
  const foreign = await certificates.issueClient('by-authority', { issuer: root });
  const cases = [
    ['by-thumbprint', selfMade, 204],
    ['by-authority', direct, 204],
    ['by-authority', { ...leaf, certPem: leaf.certPem + intermediate.certPem }, 204],
    ['by-authority', leaf, 401],
    ['by-authority', foreign, 401],
    ['by-thumbprint', direct, 401],
  ] as const;
  for (const [deviceId, { certPem: cert, keyPem: key }, status] of cases) {
    const answer = await call('POST', `/devices/${deviceId}/messages/events`, {
      as: 'nobody',
      cert,
      key,
      body: 'x',
    });
    assert.equal(answer.status, status, `${deviceId} ${answer.text}`);
  }
  assert.equal(eventsOf('by-authority')[0]?.authMethod.type, 'x509Certificate');
});

test('without a storage account a file upload says so', async () => {
  const { status, text } = await call('POST', '/devices/d1/files', { as, body: { blobName: 'a.txt' } });
  assert.equal(status, 501, text);
  const notify = (path: string, body: object) => call('POST', path, { as, body });
  assert.equal((await notify('/devices/d1/files/notifications/none', { isSuccess: true })).status, 404);
  const inBody = { correlationId: 'none', isSuccess: false };
  assert.equal((await notify('/devices/d1/files/notifications', inBody)).status, 404);
  assert.equal((await notify('/devices/d1/files/notifications', { isSuccess: true })).status, 400);
  assert.equal((await notify('/devices/d1/files/notifications/x', {})).status, 400);
});

test('faults delay a device, take its answer away, or refuse it', async () => {
  const { faults } = hub;
  faults.inject({ kind: 'drop-acknowledgement', deviceId: 'd1', protocol: 'http' });
  const before = eventsOf('d1').length;
  await assert.rejects(call('POST', eventsPath, { as, body: 'lost' }), /socket hang up|ECONNRESET/);
  assert.equal(eventsOf('d1').length, before + 1, 'it was stored, but the device does not know');

  faults.inject({ kind: 'delay', deviceId: 'd1', protocol: 'http', delayMs: 30 });
  const started = performance.now();
  assert.equal((await call('POST', eventsPath, { as, body: 'late' })).status, 204);
  assert.ok(performance.now() - started >= 29);

  faults.inject({ kind: 'throttle', deviceId: 'd1' });
  assert.equal((await call('POST', eventsPath, { as, body: 'x' })).status, 429);
  assert.deepEqual(faults.list(), []);
});
