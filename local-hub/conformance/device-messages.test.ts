/** Telemetry and commands of azure-iot-device, over each of its connected transports, against the service SDK and Event Hubs. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import common from 'azure-iot-common';
import iot from 'azure-iot-device';
import { Amqp, AmqpWs } from 'azure-iot-device-amqp';
import { Mqtt, MqttWs } from 'azure-iot-device-mqtt';
import { tapEvents } from './events.ts';
import { arrivalsOf, eventually, failsWith } from './expect.ts';
import { feedbackOf } from './feedback.ts';
import { startHub } from './hub.ts';
import { createService, openDevice, type Transport } from './sdk.ts';

const { Message } = iot;
const hub = await startHub();
const service = createService(hub);
const events = tapEvents(hub);
// One message first, because concurrent first sends open a link each.
await hub.addDevice('first');
await service.send('first', new common.Message('x'));

const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
const transports: readonly [string, Transport][] = [
  ['MQTT', Mqtt],
  ['MQTT over WebSocket', MqttWs],
  ['AMQP', Amqp],
  ['AMQP over WebSocket', AmqpWs],
];

for (const [name, transport] of transports) {
  const prefix = name.toLowerCase().replaceAll(' ', '-');
  const isMqtt = name.startsWith('MQTT');

  test(`${name}: telemetry arrives with its bytes, system properties and application properties`, async () => {
    const deviceId = `${prefix}-d2c`;
    const { generationId } = await hub.addDevice(deviceId);
    const client = await openDevice(hub, deviceId, { transport });
    const message = new Message(everyByte);
    message.messageId = `${prefix}-1`;
    message.correlationId = 'corr/é &=?#+%';
    message.userId = 'someone';
    message.contentType = 'application/json';
    message.contentEncoding = 'utf-8';
    message.interfaceId = 'dtmi:com:example:Thing;1';
    message.properties.add('kind', 'a&b=c/d?e#f%g+h i');
    message.properties.add('leer', '');
    message.properties.add('ключ', 'значение 漢字 \u{1F600}');
    message.properties.add('dt-subject', 'component');
    await client.sendEvent(message);
    const event = await events.byId(`${prefix}-1`);
    assert.deepEqual(Buffer.from(event.body as Uint8Array), everyByte);
    assert.equal(event.correlationId, 'corr/é &=?#+%');
    assert.equal(event.contentType, 'application/json');
    assert.deepEqual(event.properties, {
      kind: 'a&b=c/d?e#f%g+h i',
      leer: '',
      ключ: 'значение 漢字 \u{1F600}',
    });
    const system = event.systemProperties ?? {};
    assert.equal(system['iothub-connection-device-id'], deviceId);
    assert.equal(system['iothub-connection-auth-generation-id'], generationId);
    assert.equal(system['iothub-message-source'], 'Telemetry');
    const method = JSON.parse(String(system['iothub-connection-auth-method'])) as object;
    assert.deepEqual(method, { scope: 'device', type: 'sas', issuer: 'iothub' });
    assert.ok(Math.abs(Number(system['iothub-enqueuedtime']) - Date.now()) < 60_000);
    assert.equal(system.contentEncoding ?? system['content-encoding'], 'utf-8');
    assert.equal(system['dt-dataschema'] ?? system['iothub-interface-id'], 'dtmi:com:example:Thing;1');
    assert.equal(system['dt-subject'], 'component');
    assert.ok(Math.abs(event.enqueuedTimeUtc.getTime() - Date.now()) < 60_000);
  });

  test(`${name}: a command arrives with its bytes and properties, and its completion is reported as Success`, async () => {
    const deviceId = `${prefix}-c2d`;
    await hub.addDevice(deviceId);
    const client = await openDevice(hub, deviceId, { transport });
    const messages = arrivalsOf<iot.Message>(client, 'message');
    const feedback = await feedbackOf(service);
    const message = new common.Message(everyByte);
    message.ack = 'full';
    message.messageId = `${prefix}-command`;
    message.correlationId = 'corr é';
    message.expiryTimeUtc = Date.now() + 60_000;
    message.properties.add('kind', 'a&b=c/d?e#f%g+h i');
    message.properties.add('ключ', 'значение 漢字');
    await service.send(deviceId, message);
    const [received] = await messages.count(1);
    assert.ok(received);
    assert.deepEqual(received.getBytes(), everyByte);
    assert.equal(received.messageId, `${prefix}-command`);
    assert.equal(received.correlationId, 'corr é');
    assert.equal(received.to, `/devices/${deviceId}/messages/devicebound`);
    assert.ok(Number(new Date(received.expiryTimeUtc as string)) > Date.now());
    const properties = Object.fromEntries(
      received.properties.propertyList.map(({ key, value }) => [key, value]),
    );
    assert.equal(properties.kind, 'a&b=c/d?e#f%g+h i');
    assert.equal(properties.ключ, 'значение 漢字');
    // As with Azure: over MQTT the SDK leaves the acknowledgement among the application properties.
    if (isMqtt) assert.equal(properties['iothub-ack'], 'full');
    await client.complete(received);
    const record = await feedback.find((each) => each.deviceId === deviceId);
    assert.equal(record.originalMessageId, `${prefix}-command`);
    assert.equal(record.statusCode, 'Success');
    assert.equal(record.description, 'Success');
    assert.ok(record.deviceGenerationId);
    assert.ok(Math.abs(Date.parse(record.enqueuedTimeUtc) - Date.now()) < 60_000);
  });

  test(`${name}: fifty commands sent while the device was away arrive in the order they were sent`, async () => {
    const deviceId = `${prefix}-order`;
    await hub.addDevice(deviceId);
    const numbers = Array.from({ length: 50 }, (_, number) => number);
    // Concurrent sends on one AMQP link keep their order, because the link does.
    await Promise.all(numbers.map((number) => service.send(deviceId, new common.Message(String(number)))));
    const client = await openDevice(hub, deviceId, { transport });
    const received: number[] = [];
    const all = new Promise<void>((resolve) => {
      client.on('message', (message: iot.Message) => {
        received.push(Number(message.getData().toString()));
        client.complete(message, () => {});
        if (received.length === 50) resolve();
      });
    });
    await all;
    assert.deepEqual(received, numbers);
  });

  test(`${name}: a command of 60,000 random bytes arrives intact`, async () => {
    const deviceId = `${prefix}-large`;
    await hub.addDevice(deviceId);
    const client = await openDevice(hub, deviceId, { transport });
    const messages = arrivalsOf<iot.Message>(client, 'message');
    const body = randomBytes(60_000);
    await service.send(deviceId, new common.Message(body));
    const [received] = await messages.count(1);
    assert.ok(received);
    assert.ok(received.getBytes().equals(body));
    await client.complete(received);
  });

  test(`${name}: telemetry over 256 KiB is MessageTooLargeError, and the connection goes on`, async () => {
    const deviceId = `${prefix}-oversize`;
    await hub.addDevice(deviceId);
    const client = await openDevice(hub, deviceId, { transport });
    const lines = hub.watchLines();
    await failsWith('MessageTooLargeError', client.sendEvent(new Message(Buffer.alloc(256 * 1024 + 1))));
    // The SDK's MQTT transport refuses by itself; over AMQP it is the hub that refuses, and says so.
    if (!isMqtt) assert.match(await lines.only(), new RegExp(`${deviceId}.*(262144|256 KiB|too large)`, 'i'));
    const good = new Message('still here');
    good.messageId = `${prefix}-after-oversize`;
    await client.sendEvent(good);
    await events.byId(`${prefix}-after-oversize`);
  });
}

test('AMQP: an abandoned command comes again with a higher delivery count, a rejected one is reported as Rejected', async () => {
  const deviceId = 'amqp-settle';
  await hub.addDevice(deviceId);
  const client = await openDevice(hub, deviceId, { transport: Amqp });
  const messages = arrivalsOf<iot.Message>(client, 'message');
  const feedback = await feedbackOf(service);
  const message = new common.Message('again');
  message.ack = 'full';
  message.messageId = 'amqp-settle-1';
  await service.send(deviceId, message);
  const [first] = await messages.count(1);
  assert.ok(first);
  await client.abandon(first);
  const [, second] = await messages.count(2);
  assert.ok(second);
  assert.equal(second.messageId, 'amqp-settle-1');
  await client.reject(second);
  assert.equal((await feedback.find((record) => record.deviceId === deviceId)).statusCode, 'Rejected');
});

test('AMQP: a command that is abandoned eleven times is dead-lettered and reported as DeliveryCountExceeded', async () => {
  const deviceId = 'amqp-abandon';
  await hub.addDevice(deviceId);
  const client = await openDevice(hub, deviceId, { transport: Amqp });
  const feedback = await feedbackOf(service);
  let deliveries = 0;
  client.on('message', (message: iot.Message) => {
    deliveries += 1;
    client.abandon(message, () => {});
  });
  const message = new common.Message('never');
  message.ack = 'negative';
  await service.send(deviceId, message);
  const { statusCode } = await feedback.find((record) => record.deviceId === deviceId);
  assert.equal(statusCode, 'DeliveryCountExceeded');
  // As IoT Hub counts: ten deliveries are allowed.
  assert.equal(deliveries, 10);
});

test('MQTT: reject throws at once and complete does nothing, since the SDK settles on receipt', async () => {
  await hub.addDevice('mqtt-settle');
  const client = await openDevice(hub, 'mqtt-settle');
  const messages = arrivalsOf<iot.Message>(client, 'message');
  await service.send('mqtt-settle', new common.Message('x'));
  const [message] = await messages.count(1);
  assert.ok(message);
  await failsWith(
    'NotImplementedError',
    attempt(() => client.reject(message)),
  );
  await failsWith(
    'NotImplementedError',
    attempt(() => client.abandon(message)),
  );
  await client.complete(message);
  await eventually('the PUBACK to be durable', () =>
    hub.engine.cloudToDevice.pending('mqtt-settle') === 0 ? true : undefined,
  );
});

test('ack "negative" reports no success, ack "positive" no expiry', async () => {
  await hub.addDevice('acks');
  const feedback = await feedbackOf(service);
  for (const [ack, expires] of [
    ['positive', true],
    ['negative', true],
    ['negative', false],
    ['positive', false],
  ] as const) {
    const message = new common.Message('x');
    message.ack = ack;
    message.messageId = `${ack}-${expires ? 'expires' : 'arrives'}`;
    if (expires) message.expiryTimeUtc = Date.now() + 1;
    await service.send('acks', message);
  }
  const client = await openDevice(hub, 'acks');
  await arrivalsOf<iot.Message>(client, 'message').count(2);
  const records = () => feedback.all.filter(({ deviceId }) => deviceId === 'acks');
  await feedback.until(() => records().length >= 2);
  assert.deepEqual(
    new Set(records().map(({ originalMessageId, statusCode }) => `${originalMessageId}: ${statusCode}`)),
    new Set(['negative-expires: Expired', 'positive-arrives: Success']),
  );
});

/** The SDK throws some errors before it returns a promise. */
async function attempt(action: () => Promise<unknown>): Promise<unknown> {
  return action();
}
