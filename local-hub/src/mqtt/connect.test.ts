import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { issueCertificate } from '../issue-certificate.ts';
import { openRig } from './testing/rig.ts';

test('a device with a valid token is accepted and shown as connected until it leaves', async (t) => {
  const { connect, engine, frontEnd, settled } = await openRig(t);
  const client = await connect();
  assert.equal(engine.registry.get('dev')?.connectionState, 'Connected');
  assert.equal(frontEnd.connectionCount, 1);
  client.send({ cmd: 'pingreq' });
  await client.expect('pingresp');
  client.send({ cmd: 'disconnect' });
  await client.ended;
  await settled();
  assert.equal(engine.registry.get('dev')?.connectionState, 'Disconnected');
  assert.equal(frontEnd.connectionCount, 0);
});

test('each refusal has its return code and one line in the log', async (t) => {
  const { open, credentials, engine, findings } = await openRig(t);
  await engine.registry.create({ deviceId: 'off', status: 'disabled' });
  const events = 'devices/other/messages/events/';
  const refusals: [string, object, number, RegExp][] = [
    ['wrong key', { password: credentialsOf('wrong') }, 5, /key|token/],
    ['no password', { password: undefined }, 5, /./],
    [
      'unknown device',
      { clientId: 'nobody', username: 'h/nobody/?api-version=2021-04-12' },
      5,
      /nobody|registered/,
    ],
    ['disabled device', credentials('off'), 5, /disabled/],
    ['client id of another', { clientId: 'other' }, 5, /client id other is not the device dev/],
    ['no client id', { clientId: '', clean: true }, 2, /empty/],
    ['a module', { clientId: 'dev/mod', username: 'h/dev/mod/?api-version=2021-04-12' }, 2, /module/],
    ['no user name', { username: undefined, password: undefined }, 4, /user name/],
    ['malformed user name', { username: 'dev' }, 4, /user name/],
    ['MQTT 3.1', { protocolId: 'MQIsdp', protocolVersion: 3 }, 1, /3\.1\.1/],
    ['MQTT 5', { protocolVersion: 5 }, 1, /3\.1\.1/],
    ['a will to another device', { will: { topic: events, payload: Buffer.from('x') } }, 5, /will/],
    [
      'a will of QoS 2',
      { will: { topic: 'devices/dev/messages/events/', payload: Buffer.from('x'), qos: 2 } },
      5,
      /QoS 2/,
    ],
  ];
  for (const [name, packet, returnCode, reason] of refusals) {
    findings.length = 0;
    const client = open({}, credentials());
    const connack = await client.connect(packet);
    assert.equal(connack.returnCode, returnCode, name);
    assert.equal(connack.sessionPresent, false);
    await client.ended;
    assert.equal(findings.length, 1, `${name}: ${JSON.stringify(findings)}`);
    assert.match(findings[0]?.reason ?? '', reason, name);
  }
  assert.equal(engine.presence.count(), 0);

  function credentialsOf(text: string): Buffer {
    const password = credentials().password?.toString() ?? '';
    return Buffer.from(
      password.replace(/sig=[^&]*/, `sig=${encodeURIComponent(Buffer.alloc(32, text).toString('base64'))}`),
    );
  }
});

test('a hub that cannot take a device now says so with return code 3', async (t) => {
  const { open, credentials, engine } = await openRig(t);
  engine.faults.inject({ kind: 'throttle', deviceId: 'dev' });
  const client = open({}, credentials());
  assert.equal((await client.connect()).returnCode, 3);
});

test('what nobody foresaw ends one connection, with a line, and no other', async (t) => {
  const { connect, engine, findings } = await openRig(t);
  await engine.registry.create({ deviceId: 'other' });
  const other = await connect({}, 'other');
  const client = await connect();
  t.mock.method(engine.telemetry, 'append', () => {
    throw new TypeError('unforeseen');
  });
  client.publish('devices/dev/messages/events/', 'x');
  await client.ended;
  assert.match(findings.at(-1)?.reason ?? '', /unforeseen/);
  assert.equal(findings.at(-1)?.deviceId, 'dev');
  other.send({ cmd: 'pingreq' });
  await other.expect('pingresp');
});

test('a device with a certificate needs no token', async (t) => {
  const { open, engine, clock } = await openRig(t);
  const { certPem } = await issueCertificate({
    commonName: 'x',
    kind: 'client',
    validDays: 1,
    nowMs: clock.now(),
  });
  const { raw, fingerprint256 } = new X509Certificate(certPem);
  await engine.registry.create({
    deviceId: 'x',
    authentication: { type: 'selfSigned', x509Thumbprint: { primaryThumbprint: fingerprint256 } },
  });
  const username = 'localhost/x/?api-version=2021-04-12';
  const client = open({ clientCertificate: { der: raw, chain: [] } }, { clientId: 'x', username });
  assert.equal((await client.connect()).returnCode, 0);
  const stranger = open({}, { clientId: 'x', username });
  assert.equal((await stranger.connect()).returnCode, 5);
});

test('what follows CONNECT in the same packet of bytes is handled after it', async (t) => {
  const { open, credentials, events, settled } = await openRig(t);
  const client = open({}, credentials());
  const connected = client.connect();
  client.publish('devices/dev/messages/events/', 'early', { qos: 1, messageId: 9 });
  assert.equal((await connected).returnCode, 0);
  assert.equal((await client.expect('puback')).messageId, 9);
  await settled();
  assert.equal(events()[0]?.message.body.toString(), 'early');
});

test('the first packet must be CONNECT, and it must be the only one', async (t) => {
  const { open, connect, findings } = await openRig(t);
  const first = open();
  first.send({ cmd: 'pingreq' });
  await first.ended;
  assert.match(findings.at(-1)?.reason ?? '', /MQTT-3\.1\.0-1/);
  const second = await connect();
  second.connect({ username: 'x', password: Buffer.from('y') }).catch(() => {});
  await second.ended;
  assert.match(findings.at(-1)?.reason ?? '', /CONNECT/);
});

test('a connection that sends no CONNECT is closed in time', async (t) => {
  const { open, clock, findings, frontEnd, settled } = await openRig(t, {
    mqtt: { handshakeTimeoutMs: 5_000 },
  });
  const client = open();
  clock.advance(4_000);
  assert.equal(frontEnd.connectionCount, 1);
  clock.advance(3_000);
  await client.ended;
  await settled();
  assert.equal(frontEnd.connectionCount, 0);
  assert.match(findings.at(-1)?.reason ?? '', /no CONNECT/);
});

test('a silent client is closed after one and a half times its keep-alive, and any packet starts that anew', async (t) => {
  const { connect, clock, findings } = await openRig(t);
  const client = await connect({ keepalive: 10 });
  clock.advance(14_000);
  client.send({ cmd: 'pingreq' });
  await client.expect('pingresp');
  clock.advance(14_000);
  client.send({ cmd: 'pingreq' });
  await client.expect('pingresp');
  clock.advance(17_000);
  await client.ended;
  assert.match(findings.at(-1)?.reason ?? '', /silent for 15 s/);
});

test('no keep-alive, or a very long one, ends at the maximum of IoT Hub', async (t) => {
  const { connect, clock, engine } = await openRig(t);
  for (const keepalive of [0, 65_535]) {
    // A token that lives longer than the silence.
    const key = engine.registry.require('dev').authentication.symmetricKey.primaryKey ?? '';
    assert.ok(key);
    const client = await connect({ keepalive });
    clock.advance(1_766_000);
    assert.equal(engine.presence.isConnected('dev'), true);
    clock.advance(3_000);
    await client.ended;
  }
});

test('a newer connection of the same device takes the place of the older one', async (t) => {
  const { connect, engine } = await openRig(t);
  const older = await connect();
  const newer = await connect();
  await older.ended;
  assert.equal(engine.presence.count(), 1);
  newer.send({ cmd: 'pingreq' });
  await newer.expect('pingresp');
});

test('a client that leaves while it waits to be let in leaves nothing behind', async (t) => {
  const { connect, open, credentials, clock, engine, frontEnd, settled } = await openRig(t);
  for (let round = 0; round < 5; round++) {
    const client = open({}, credentials());
    const connected = client.connect();
    for (let turn = 0; turn < 5; turn++) await nextTurn();
    clock.advance(20_000);
    await connected;
  }
  const waiting = open({}, credentials());
  waiting.connect().catch(() => {});
  for (let turn = 0; turn < 5; turn++) await nextTurn();
  waiting.vanish();
  await settled();
  clock.advance(20_000);
  await settled();
  assert.equal(frontEnd.connectionCount, engine.presence.count());
  const client = await connect().catch(() => undefined);
  assert.ok(client);
});

test('the hub ends a connection whose token expires, whose device is disabled, or deleted', async (t) => {
  const { connect, clock, engine, findings } = await openRig(t);
  const expired = await connect();
  for (let minute = 0; minute < 61; minute++) {
    clock.advance(60_000);
    if (engine.presence.isConnected('dev')) {
      expired.send({ cmd: 'pingreq' });
      await expired.expect('pingresp');
    }
  }
  await expired.ended;
  assert.match(findings.at(-1)?.reason ?? '', /401003/);

  const disabled = await connect();
  await engine.registry.update({ deviceId: 'dev', status: 'disabled' });
  await disabled.ended;
  assert.match(findings.at(-1)?.reason ?? '', /disabled/);

  await engine.registry.update({ deviceId: 'dev', status: 'enabled' });
  const deleted = await connect();
  await engine.registry.remove('dev');
  await deleted.ended;
  assert.match(findings.at(-1)?.reason ?? '', /deleted/);
});

test('closing the front-end ends every connection', async (t) => {
  const { connect, open, frontEnd, stop } = await openRig(t);
  const [connected, silent] = [await connect(), open()];
  await stop();
  await Promise.all([connected.ended, silent.ended]);
  assert.equal(frontEnd.connectionCount, 0);
  await open().ended;
});
