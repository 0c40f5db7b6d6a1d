import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HubMessage } from '../engine/message.ts';
import { openStore } from '../store/open-store.ts';
import { openRig } from './testing/rig.ts';

const devicebound = 'devices/dev/messages/devicebound/#';
const desired = '$iothub/twin/PATCH/properties/desired/#';
const methods = '$iothub/methods/POST/#';
const responses = '$iothub/twin/res/#';

const message = (text: string): HubMessage => ({
  body: Buffer.from(text),
  system: { messageId: text, to: '/devices/dev/messages/devicebound', ack: 'full' },
  properties: { k: 'v w' },
});

test('subscriptions are granted at most QoS 1, and unknown filters are refused one by one', async (t) => {
  const { connect, findings } = await openRig(t);
  const client = await connect();
  client.send({
    cmd: 'subscribe',
    messageId: 7,
    subscriptions: [
      { topic: devicebound, qos: 2 },
      { topic: responses, qos: 0 },
      { topic: 'devices/other/messages/devicebound/#', qos: 1 },
      { topic: '#', qos: 0 },
    ],
  });
  const suback = await client.expect('suback');
  assert.equal(suback.messageId, 7);
  assert.deepEqual(suback.granted, [1, 0, 0x80, 0x80]);
  assert.match(findings.at(-1)?.reason ?? '', /topic filter #/);
});

test('a sixth subscription closes the connection', async (t) => {
  const { connect, findings } = await openRig(t);
  const client = await connect();
  const five = [devicebound, 'devices/+/messages/devicebound/#', desired, methods, responses];
  assert.deepEqual(await client.subscribe(...five), [1, 1, 1, 1, 1]);
  assert.deepEqual(await client.subscribe(devicebound), [1], 'one of the five again');
  client.subscribe('devices/%64ev/messages/devicebound/#').catch(() => {});
  await client.ended;
  assert.match(findings.at(-1)?.reason ?? '', /5 subscriptions/);
});

test('a cloud-to-device message arrives with its properties in the topic, and PUBACK completes it', async (t) => {
  const { connect, engine, settled } = await openRig(t);
  const client = await connect();
  await client.subscribe(devicebound);
  await engine.cloudToDevice.send('dev', message('m1'));
  const packet = await client.expect('publish');
  assert.equal(
    packet.topic,
    'devices/dev/messages/devicebound/%24.mid=m1&%24.to=%2Fdevices%2Fdev%2Fmessages%2Fdevicebound&iothub-ack=full&k=v%20w',
  );
  assert.equal(packet.payload.toString(), 'm1');
  assert.equal(packet.qos, 1);
  assert.equal(engine.cloudToDevice.pending('dev'), 1);
  client.send({ cmd: 'puback', messageId: packet.messageId ?? 0 });
  await settled();
  assert.equal(engine.cloudToDevice.pending('dev'), 0);
});

test('without a subscription nothing is delivered; after UNSUBSCRIBE nothing more is', async (t) => {
  const { connect, engine, settled } = await openRig(t);
  await engine.cloudToDevice.send('dev', message('before'));
  const client = await connect();
  await settled();
  assert.deepEqual(client.waiting, []);
  await client.subscribe(devicebound);
  const { messageId = 0 } = await client.expect('publish');
  client.send({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: [devicebound, 'unknown'] });
  assert.equal((await client.expect('unsuback')).messageId, 2);
  await engine.cloudToDevice.send('dev', message('after'));
  await settled();
  assert.deepEqual(client.waiting, []);
  client.send({ cmd: 'puback', messageId });
  await settled();
  assert.equal(engine.cloudToDevice.pending('dev'), 1, 'what was sent before could still be acknowledged');
});

test('a persistent session keeps its subscriptions, a clean one ends it', async (t) => {
  const { connect, open, credentials, engine } = await openRig(t);
  const first = open({}, credentials());
  assert.equal((await first.connect({ clean: false })).sessionPresent, false);
  await first.subscribe(devicebound);
  await engine.cloudToDevice.send('dev', message('a'));
  const { messageId } = await first.expect('publish');
  first.vanish();
  await engine.cloudToDevice.send('dev', message('b'));

  const second = open({}, credentials());
  assert.equal((await second.connect({ clean: false })).sessionPresent, true);
  const again = await second.expect('publish');
  assert.deepEqual([again.payload.toString(), again.dup, again.messageId], ['a', true, messageId]);
  assert.deepEqual((await second.expect('publish')).payload.toString(), 'b');
  second.send({ cmd: 'disconnect' });
  await second.ended;

  const clean = await connect({ clean: true });
  clean.send({ cmd: 'pingreq' });
  await clean.expect('pingresp');
  clean.vanish();
  const third = open({}, credentials());
  assert.equal((await third.connect({ clean: false })).sessionPresent, false);
});

test('subscriptions and undelivered messages outlive a restart of the hub', async (t) => {
  const store = openStore({ dataDir: undefined });
  t.after(() => store.close());
  const before = await openRig(t, { store });
  const client = await before.connect({ clean: false });
  await client.subscribe(devicebound, desired, methods);
  await before.engine.cloudToDevice.send('dev', message('a'));
  const { messageId } = await client.expect('publish');
  await before.stop();

  const after = await openRig(t, { store });
  const again = after.open({}, after.credentials());
  assert.equal((await again.connect({ clean: false })).sessionPresent, true);
  const redelivered = await again.expect('publish');
  assert.deepEqual(
    [redelivered.payload.toString(), redelivered.dup, redelivered.messageId],
    ['a', true, messageId],
  );
  await after.engine.twins.update('dev', { desired: { rate: 2 } }, { replace: false });
  assert.match((await again.expect('publish')).topic, /^\$iothub\/twin\/PATCH\/properties\/desired\//);
  const invoked = after.engine.methods.invoke('dev', { methodName: 'reboot' });
  const { topic } = await again.expect('publish');
  again.publish(`$iothub/methods/res/200/?${topic.split('?')[1]}`, '{"ok":true}');
  assert.deepEqual(await invoked, { status: 200, payload: { ok: true } });
});

test("a deleted device's session is gone when it is made again", async (t) => {
  const { connect, open, credentials, engine } = await openRig(t);
  const client = await connect({ clean: false });
  await client.subscribe(devicebound);
  await engine.registry.remove('dev');
  await client.ended;
  await engine.registry.create({ deviceId: 'dev' });
  const again = open({}, credentials());
  assert.equal((await again.connect({ clean: false })).sessionPresent, false);
});

test('a client that does not read is sent no more than a bounded amount, and the rest once it reads again', async (t) => {
  const maxUnsentBytes = 200_000;
  const { connect, engine, frontEnd, settled } = await openRig(t, {
    mqtt: { maxUnsentBytes },
    engine: { cloudToDevice: { maxPendingPerDevice: 100 } },
  });
  let unsentBytes = 0;
  const { accept } = frontEnd;
  t.mock.method(frontEnd, 'accept', (...[stream, info]: Parameters<typeof accept>) => {
    const { write } = stream;
    t.mock.method(stream, 'write', (...args: Parameters<typeof write>) => {
      const written = write.apply(stream, args);
      unsentBytes = Math.max(unsentBytes, stream.writableLength);
      return written;
    });
    accept(stream, info);
  });
  const client = await connect();
  await client.subscribe(devicebound);
  client.stream.pause();
  const body = Buffer.alloc(60_000);
  for (let n = 0; n < 50; n++)
    await engine.cloudToDevice.send('dev', { body, system: { messageId: `${n}` }, properties: {} });
  // Requests whose answers it does not read either.
  for (let n = 0; n < 5_000; n++) client.publish('$iothub/twin/GET/?$rid=1', ' ');
  await settled();
  assert.ok(unsentBytes > maxUnsentBytes, 'the limit was reached');
  assert.ok(unsentBytes < maxUnsentBytes + 100_000, `${unsentBytes} bytes were waiting`);
  client.stream.resume();
  const arrived: string[] = [];
  while (arrived.length < 50) {
    const packet = await client.expect('publish');
    const [, messageId] = /mid=(\d+)/.exec(packet.topic) ?? [];
    if (messageId === undefined) continue;
    arrived.push(messageId);
    client.send({ cmd: 'puback', messageId: packet.messageId ?? 0 });
  }
  assert.deepEqual(
    arrived,
    Array.from({ length: 50 }, (_, n) => `${n}`),
  );
});
