import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openRig } from './testing/rig.ts';

const eventsTopic = 'devices/dev/messages/events/';

test('telemetry is acknowledged once it is durable, and keeps body and properties', async (t) => {
  const { connect, events } = await openRig(t);
  const client = await connect();
  const body = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  client.publish(`${eventsTopic}%24.mid=m1&%24.ct=application%2Fjson&path=a%2Fb`, body, {
    qos: 1,
    messageId: 5,
  });
  assert.equal((await client.expect('puback')).messageId, 5);
  const [event] = events();
  assert.deepEqual(event?.message.body, body);
  assert.deepEqual(event?.message.system, { messageId: 'm1', contentType: 'application/json' });
  assert.deepEqual(event?.message.properties, { path: 'a/b' });
  assert.equal(event?.deviceId, 'dev');
  assert.deepEqual(event?.authMethod, { scope: 'device', type: 'sas', issuer: 'iothub' });
});

test('nothing is acknowledged when the store fails: the connection ends instead', async (t) => {
  const { connect, store, findings } = await openRig(t);
  const client = await connect();
  await store.close();
  client.publish(eventsTopic, 'lost', { qos: 1, messageId: 5 });
  await client.ended;
  assert.deepEqual(client.waiting, []);
  assert.match(findings.at(-1)?.reason ?? '', /telemetry was refused/);
});

test('a thousand messages are acknowledged in their order', async (t) => {
  const { connect, events } = await openRig(t);
  const client = await connect();
  const ids = Array.from({ length: 1_000 }, (_, index) => index + 1);
  for (const messageId of ids) client.publish(eventsTopic, `${messageId}`, { qos: 1, messageId });
  const acknowledged: unknown[] = [];
  for (const _ of ids) acknowledged.push((await client.expect('puback')).messageId);
  assert.deepEqual(acknowledged, ids);
  assert.deepEqual(
    events().map(({ message }) => Number(message.body.toString())),
    ids,
  );
});

test('RETAIN becomes a property', async (t) => {
  const { connect, events } = await openRig(t);
  const client = await connect();
  client.publish(`${eventsTopic}a=b`, 'x', { qos: 1, messageId: 1, retain: true });
  await client.expect('puback');
  assert.deepEqual(events()[0]?.message.properties, { a: 'b', 'mqtt-retain': 'true' });
});

test('what IoT Hub does not support closes the connection with a reason', async (t) => {
  const { connect, findings, events } = await openRig(t);
  const cases: [string, object, RegExp][] = [
    [eventsTopic, { qos: 2, messageId: 1 }, /QoS 2/],
    ['devices/other/messages/events/', {}, /names device other/],
    ['home/lamp', {}, /does not know the topic/],
    ['devices/dev/modules/m/messages/events/', {}, /module/],
    [`${eventsTopic}a=%zz`, {}, /URL-encoded/],
    ['$dps/registrations/PUT/iotdps-register/?$rid=1', {}, /connected as a device/],
  ];
  for (const [topic, options, reason] of cases) {
    const client = await connect();
    client.publish(topic, 'x', options);
    await client.ended;
    assert.match(findings.at(-1)?.reason ?? '', reason, topic);
  }
  assert.deepEqual(events(), []);
});

test('a message of 256 KiB passes, a larger one closes the connection, and a packet beyond all limits is never read', async (t) => {
  const { connect, events, findings } = await openRig(t);
  const allowed = await connect();
  allowed.publish(eventsTopic, Buffer.alloc(256 * 1024), { qos: 1, messageId: 1 });
  await allowed.expect('puback');
  allowed.publish(eventsTopic, Buffer.alloc(256 * 1024 + 1), { qos: 1, messageId: 2 });
  await allowed.ended;
  assert.match(findings.at(-1)?.reason ?? '', /telemetry was refused/);
  const excessive = await connect();
  excessive.send(Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f]));
  await excessive.ended;
  assert.match(findings.at(-1)?.reason ?? '', /a packet has more than/);
  assert.equal(events().length, 1);
});

test('reading stops while too much is not durable yet, and goes on afterwards', async (t) => {
  const { connect, engine, events } = await openRig(t, { mqtt: { maxUnsettledCount: 10 } });
  const client = await connect();
  let underWay = 0;
  let most = 0;
  const { append } = engine.telemetry;
  t.mock.method(engine.telemetry, 'append', (event: Parameters<typeof append>[0]) => {
    underWay += 1;
    most = Math.max(most, underWay);
    return append.call(engine.telemetry, event).finally(() => {
      underWay -= 1;
    });
  });
  for (let messageId = 1; messageId <= 500; messageId++)
    client.publish(eventsTopic, 'x', { qos: 1, messageId });
  for (let messageId = 1; messageId <= 500; messageId++)
    assert.equal((await client.expect('puback')).messageId, messageId);
  assert.equal(events().length, 500);
  assert.ok(most <= 12, `${most} under way`);
});

test('a lost link publishes the will, DISCONNECT discards it', async (t) => {
  const { connect, events, settled } = await openRig(t);
  const will = { topic: `${eventsTopic}site=a`, payload: Buffer.from('gone'), qos: 1 as const, retain: true };
  const polite = await connect({ will });
  polite.send({ cmd: 'disconnect' });
  await polite.ended;
  await settled();
  assert.deepEqual(events(), []);
  const lost = await connect({ will });
  lost.vanish();
  await settled();
  const [event] = events();
  assert.equal(event?.message.body.toString(), 'gone');
  assert.deepEqual(event?.message.properties, {
    site: 'a',
    'mqtt-retain': 'true',
    'iothub-MessageType': 'Will',
  });
});

test('wills of clients that the hub itself disconnects are published before it closes', async (t) => {
  const { connect, events, stop } = await openRig(t);
  await connect({ will: { topic: eventsTopic, payload: Buffer.from('gone') } });
  await stop();
  assert.equal(events()[0]?.message.body.toString(), 'gone');
});

test('injected faults drop an acknowledgement, hold messages up, or throttle the device', async (t) => {
  const { connect, engine, clock, events, settled } = await openRig(t);
  const { faults } = engine;
  const client = await connect();
  faults.inject({ kind: 'drop-acknowledgement', deviceId: 'dev' });
  client.publish(eventsTopic, 'a', { qos: 1, messageId: 1 });
  client.publish(eventsTopic, 'b', { qos: 1, messageId: 2 });
  assert.equal((await client.expect('puback')).messageId, 2);
  assert.equal(events().length, 2, 'the message itself is kept');

  faults.inject({ kind: 'delay', deviceId: 'dev', delayMs: 5_000 });
  client.publish(eventsTopic, 'c', { qos: 1, messageId: 3 });
  client.publish(eventsTopic, 'd', { qos: 1, messageId: 4 });
  await settled();
  assert.equal(events().length, 2);
  clock.advance(5_000);
  assert.equal((await client.expect('puback')).messageId, 3);
  assert.equal((await client.expect('puback')).messageId, 4);

  faults.inject({ kind: 'throttle', deviceId: 'dev' });
  client.publish(eventsTopic, 'e', { qos: 1, messageId: 5 });
  await client.ended;
  assert.equal(events().length, 4);
});

test('a device that sends beyond the throttle is shaped first and then disconnected', async (t) => {
  const { connect, clock, findings, engine } = await openRig(t, {
    engine: { throttles: { sku: 'S1', units: 1 } },
  });
  const client = await connect();
  let sent = 0;
  while (engine.presence.isConnected('dev') && sent < 20_000) {
    sent += 1;
    client.publish(eventsTopic, 'x', { qos: 1, messageId: (sent % 65_535) + 1 });
    if (sent % 500 === 0) {
      for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
      clock.advance(10);
    }
  }
  await client.ended;
  assert.ok(client.waiting.length > 100, `${client.waiting.length} were acknowledged`);
  assert.match(findings.at(-1)?.reason ?? '', /telemetry was refused/);
  assert.match(findings.at(-1)?.next ?? '', /throttles/);
});
