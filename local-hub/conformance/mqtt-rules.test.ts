/** What IoT Hub does with MQTT that the SDK never speaks: the rules of its dialect, each with its close or code and its one line. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IPublishPacket, ISubackPacket, Packet } from 'mqtt-packet';
import { tapEvents } from './events.ts';
import { startHub } from './hub.ts';
import { connectPacket, connectRaw, openRaw } from './raw-mqtt.ts';

const hub = await startHub();
const events = tapEvents(hub);

const publish = (topic: string, changes: Partial<IPublishPacket> = {}): IPublishPacket => ({
  cmd: 'publish',
  topic,
  payload: Buffer.from('x'),
  qos: 1,
  messageId: 1,
  dup: false,
  retain: false,
  ...changes,
});
const subscribe = (messageId: number, ...topics: string[]): Packet => ({
  cmd: 'subscribe',
  messageId,
  subscriptions: topics.map((topic) => ({ topic, qos: 2 as const })),
});

for (const [what, deviceId, packet, line] of [
  ['a publish with QoS 2', 'qos2', publish('devices/qos2/messages/events/', { qos: 2 }), /qos2.*QoS 2/],
  ['a publish to an unknown topic', 'topic', publish('some/where'), /topic.*some\/where/],
  [
    "a publish to another device's topic",
    'foreign',
    publish('devices/other/messages/events/'),
    /foreign.*other/,
  ],
  [
    'a property bag that is not URL-encoded',
    'bag',
    publish('devices/bag/messages/events/a=%zz'),
    /bag.*(property bag|encoded)/,
  ],
  ['a publish to an unknown system topic', 'wildcard', publish('$iothub/wild'), /wildcard/],
] as const) {
  test(`${what} closes the connection, with one line`, async () => {
    await hub.addDevice(deviceId);
    const raw = await connectRaw(hub, deviceId);
    const lines = hub.watchLines();
    raw.send(packet);
    await raw.closed();
    assert.match(await lines.only(), line);
    assert.equal(
      raw.packets.all.some(({ cmd }) => cmd === 'puback'),
      false,
    );
  });
}

test('a message over 256 KiB closes the connection, with one line', async () => {
  await hub.addDevice('oversize');
  const raw = await connectRaw(hub, 'oversize');
  const lines = hub.watchLines();
  raw.send(publish('devices/oversize/messages/events/', { payload: Buffer.alloc(256 * 1024 + 1) }));
  await raw.closed();
  assert.match(await lines.only(), /oversize.*(262144|256 KiB|too large)/i);
});

test('a packet whose length says more than any message may have closes the connection before it arrives', async () => {
  await hub.addDevice('huge');
  const raw = await connectRaw(hub, 'huge');
  const lines = hub.watchLines();
  raw.socket.write(Buffer.from([0x32, 0xff, 0xff, 0xff, 0x7f]));
  await raw.closed();
  assert.match(await lines.only(), /huge/);
});

test('a sixth subscription closes the connection, with one line', async () => {
  await hub.addDevice('sixth');
  const raw = await connectRaw(hub, 'sixth');
  raw.send(
    subscribe(
      1,
      'devices/sixth/messages/devicebound/#',
      'devices/+/messages/devicebound/#',
      '$iothub/twin/res/#',
    ),
  );
  raw.send(subscribe(2, '$iothub/twin/PATCH/properties/desired/#', '$iothub/methods/POST/#'));
  await raw.packets.find((packet) => packet.cmd === 'suback' && packet.messageId === 2);
  const lines = hub.watchLines();
  raw.send(subscribe(3, 'devices/%73ixth/messages/devicebound/#'));
  await raw.closed();
  assert.match(await lines.only(), /sixth.*5 subscriptions/);
});

test('subscriptions are granted with QoS 1 at most, and an unknown filter fails', async () => {
  await hub.addDevice('granted');
  const raw = await connectRaw(hub, 'granted');
  raw.send(
    subscribe(7, 'devices/granted/messages/devicebound/#', '#', 'devices/other/messages/devicebound/#'),
  );
  const suback = (await raw.packet('suback')) as ISubackPacket;
  assert.equal(suback.messageId, 7);
  assert.deepEqual(suback.granted, [1, 0x80, 0x80]);
});

test('the newest connection wins, and the older one is closed with one line', async () => {
  await hub.addDevice('kicked');
  const older = await connectRaw(hub, 'kicked');
  const lines = hub.watchLines();
  const newer = await connectRaw(hub, 'kicked');
  await older.closed();
  assert.match(await lines.only(), /kicked.*(another|newer|second|new) /i);
  newer.send(publish('devices/kicked/messages/events/'));
  await newer.packet('puback');
});

test('a persistent session is present when the device comes back, a clean one is not', async () => {
  await hub.addDevice('session');
  const first = await connectRaw(hub, 'session');
  assert.equal((await first.packet('connack')).sessionPresent, false);
  first.send(subscribe(1, 'devices/session/messages/devicebound/#'));
  await first.packet('suback');
  first.send({ cmd: 'disconnect' });
  await first.closed();
  await hub.engine.cloudToDevice.send('session', command('waiting'));
  const second = await connectRaw(hub, 'session');
  assert.equal((await second.packet('connack')).sessionPresent, true);
  assert.equal((await second.packet('publish')).payload.toString(), 'waiting');
  const third = await connectRaw(hub, 'session', { clean: true });
  assert.equal((await third.packet('connack')).sessionPresent, false);
  third.send({ cmd: 'pingreq' });
  await third.packet('pingresp');
  assert.equal(
    third.packets.all.some(({ cmd }) => cmd === 'publish'),
    false,
  );
});

test('an unacknowledged command comes again with DUP after a reconnect, in its old place', async () => {
  await hub.addDevice('dup');
  const first = await connectRaw(hub, 'dup');
  first.send(subscribe(1, 'devices/dup/messages/devicebound/#'));
  await first.packet('suback');
  await hub.engine.cloudToDevice.send('dup', command('1'));
  await hub.engine.cloudToDevice.send('dup', command('2'));
  await first.packets.find((packet) => packet.cmd === 'publish' && packet.payload.toString() === '2');
  const [one] = first.packets.all.filter((packet) => packet.cmd === 'publish') as IPublishPacket[];
  assert.equal(one?.dup, false);
  first.socket.destroy();
  const second = await connectRaw(hub, 'dup');
  await second.packets.find((packet) => packet.cmd === 'publish' && packet.payload.toString() === '2');
  const again = second.packets.all.filter((packet) => packet.cmd === 'publish') as IPublishPacket[];
  assert.deepEqual(
    again.map(({ payload, dup }) => [payload.toString(), dup]),
    [
      ['1', true],
      ['2', true],
    ],
  );
  for (const { messageId } of again) second.send({ cmd: 'puback', messageId: messageId ?? 0 });
  second.send({ cmd: 'pingreq' });
  await second.packet('pingresp');
  assert.equal(hub.engine.cloudToDevice.pending('dup'), 0);
});

test('a will becomes telemetry when the link breaks, and not after a DISCONNECT', async () => {
  await hub.addDevice('will');
  const will = {
    topic: 'devices/will/messages/events/%24.mid=broken&k=v',
    payload: Buffer.from('gone'),
    qos: 1 as const,
    retain: false,
  };
  const polite = await connectRaw(hub, 'will', {
    will: { ...will, topic: 'devices/will/messages/events/%24.mid=polite' },
  });
  polite.send({ cmd: 'disconnect' });
  await polite.closed();
  const raw = await connectRaw(hub, 'will', { will });
  raw.socket.destroy();
  const event = await events.byId('broken');
  assert.equal(Buffer.from(event.body as Uint8Array).toString(), 'gone');
  assert.equal(event.properties?.['iothub-MessageType'], 'Will');
  assert.equal(event.properties?.k, 'v');
  assert.equal(
    events.all.some(({ messageId }) => messageId === 'polite'),
    false,
  );
});

test('retain becomes the property mqtt-retain', async () => {
  await hub.addDevice('retain');
  const raw = await connectRaw(hub, 'retain');
  raw.send(publish('devices/retain/messages/events/%24.mid=retained', { retain: true }));
  assert.equal((await events.byId('retained')).properties?.['mqtt-retain'], 'true');
});

test('QoS 0 telemetry arrives too, and is not acknowledged', async () => {
  await hub.addDevice('qos0');
  const raw = await connectRaw(hub, 'qos0');
  raw.send(publish('devices/qos0/messages/events/%24.mid=zero', { qos: 0 }));
  await events.byId('zero');
  assert.deepEqual(
    raw.packets.all.map(({ cmd }) => cmd),
    ['connack'],
  );
});

test('a device that is silent for one and a half times its keep-alive is closed, with one line', async () => {
  await hub.addDevice('silent');
  const raw = await connectRaw(hub, 'silent', { keepalive: 1 });
  const lines = hub.watchLines();
  const started = performance.now();
  await raw.closed();
  assert.ok(performance.now() - started > 1_200);
  assert.match(await lines.only(), /silent/);
});

for (const [what, changes, returnCode, line] of [
  ['MQTT 5', { protocolVersion: 5 }, 1, /3\.1\.1/],
  ['MQTT 3.1', { protocolVersion: 3, protocolId: 'MQIsdp' }, 1, /3\.1\.1/],
  ["a client id that is not the user name's device", { clientId: 'other' }, 5, /other/],
  ['a user name of no known form', { username: 'nonsense' }, 4, /user name/],
  [
    'a module identity',
    { clientId: 'refused/module', username: `x/refused/module/?api-version=2021-04-12` },
    2,
    /module/,
  ],
  ['no password and no certificate', { password: undefined }, 5, /refused/],
  [
    'a will to a foreign topic',
    { will: { topic: 'a/b', payload: Buffer.from('x'), qos: 0, retain: false } },
    5,
    /will/,
  ],
] as const) {
  test(`${what} is refused with return code ${returnCode} and one line`, async () => {
    await hub.addDevice('refused').catch(() => undefined);
    const raw = await openRaw(hub);
    const lines = hub.watchLines();
    raw.send(connectPacket(hub, 'refused', changes as object));
    assert.equal((await raw.packet('connack')).returnCode, returnCode);
    await raw.closed();
    assert.match(await lines.only(), line);
  });
}

test('a first packet that is not CONNECT, and a second CONNECT, close the connection', async () => {
  await hub.addDevice('order');
  const first = await openRaw(hub);
  first.socket.write(Buffer.from([0x10, 0x02, 0x00, 0x00]));
  await first.closed();
  const second = await connectRaw(hub, 'order');
  const lines = hub.watchLines();
  second.send(connectPacket(hub, 'order'));
  await second.closed();
  assert.match(await lines.only(), /order/);
});

test('at most fifty commands wait for their acknowledgement, and each PUBACK lets one more through', async () => {
  await hub.addDevice('window');
  const raw = await connectRaw(hub, 'window');
  raw.send(subscribe(1, 'devices/window/messages/devicebound/#'));
  await raw.packet('suback');
  for (let n = 0; n < 50; n += 1) await hub.engine.cloudToDevice.send('window', command(String(n)));
  const published = () => raw.packets.all.filter((packet) => packet.cmd === 'publish') as IPublishPacket[];
  await raw.packets.until(() => published().length === 50);
  raw.send({ cmd: 'puback', messageId: published()[0]?.messageId ?? 0 });
  raw.send({ cmd: 'pingreq' });
  await raw.packet('pingresp');
  await hub.engine.cloudToDevice.send('window', command('50'));
  await raw.packets.until(() => published().length === 51);
  assert.deepEqual(
    published().map(({ payload }) => Number(payload.toString())),
    Array.from({ length: 51 }, (_, n) => n),
  );
});

function command(text: string) {
  return { body: Buffer.from(text), system: {}, properties: {} };
}
