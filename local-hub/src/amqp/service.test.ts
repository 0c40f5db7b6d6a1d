import assert from 'node:assert/strict';
import { type EventEmitter, once } from 'node:events';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import common from 'azure-iot-common';
import hub, { type Client as ServiceClient } from 'azure-iothub';
import { openRig, type Rig } from './testing/rig.ts';

const { Client } = hub;
const { Message, NoRetry } = common;

async function openClient(rig: Rig): Promise<ServiceClient> {
  const client = Client.fromConnectionString(rig.service);
  client.setRetryPolicy(new NoRetry());
  await client.open();
  rig.beforeStop(() => client.close());
  return client;
}

/** The name of the error with which a promise is rejected; `sent` when it is not. */
const outcomeOf = (sending: Promise<unknown>): Promise<string> =>
  sending.then(
    () => 'sent',
    (error: Error) => error.name,
  );

test("the service SDK sends a message that the device's queue holds with all its properties", async (t) => {
  const rig = await openRig(t);
  const client = await openClient(rig);
  const message = new Message(Buffer.from([0, 255, 1]));
  message.messageId = '01234567-89ab-4def-8123-456789abcdef';
  message.correlationId = 'c';
  message.ack = 'full';
  message.contentType = 'application/json';
  message.contentEncoding = 'utf-8';
  const expiryMs = rig.clock.now() + 90_000;
  message.expiryTimeUtc = expiryMs;
  message.properties.add('name', 'vålue');
  await client.send('dev', message);
  const delivery = await rig.engine.cloudToDevice.lockNext('dev');
  assert.deepEqual(delivery?.message.body, Buffer.from([0, 255, 1]));
  assert.deepEqual(delivery?.message.properties, { name: 'vålue' });
  assert.deepEqual(delivery?.message.system, {
    messageId: '01234567-89ab-4def-8123-456789abcdef',
    correlationId: 'c',
    to: '/devices/dev/messages/devicebound',
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    expiryTimeUtcMs: expiryMs,
    ack: 'full',
  });
});

test('accepted and refused messages of one burst are reported as they were, never as their neighbours', async (t) => {
  const rig = await openRig(t);
  const client = await openClient(rig);
  await client.send('dev', new Message('first'));
  const devices = ['dev', 'dev', 'gone', 'dev', 'gone', 'gone', 'dev'];
  const outcomes = await Promise.all(
    devices.map((device, index) => outcomeOf(client.send(device, new Message(`${index}`)))),
  );
  assert.deepEqual(
    outcomes,
    devices.map((device) => (device === 'dev' ? 'sent' : 'DeviceNotFoundError')),
  );
  assert.equal(rig.engine.cloudToDevice.pending('dev'), 5);
});

test('the service SDK gets its own error types', async (t) => {
  const rig = await openRig(t, { engine: { throttles: { sku: 'S1', units: 1 } } });
  const client = await openClient(rig);
  assert.equal(await outcomeOf(client.send('nobody', new Message('x'))), 'DeviceNotFoundError');
  assert.equal(
    await outcomeOf(client.send('dev', new Message(Buffer.alloc(65_537)))),
    'MessageTooLargeError',
  );
  for (let i = 0; i < 50; i += 1) await client.send('dev', new Message('x'));
  assert.equal(await outcomeOf(client.send('dev', new Message('x'))), 'DeviceMaximumQueueDepthExceededError');
  const message = new Message('x');
  message.ack = 'sometimes';
  assert.equal(await outcomeOf(client.send('dev', message)), 'ArgumentError');
  rig.engine.faults.inject({ kind: 'throttle', deviceId: 'dev' });
  assert.equal(await outcomeOf(client.send('dev', new Message('x'))), 'ThrottlingError');
});

test('a message beyond the link limit ends only its link, with the right error', async (t) => {
  const rig = await openRig(t, { amqp: { maxCommandBytes: 100_000 } });
  const client = await openClient(rig);
  await client.send('dev', new Message('x'));
  assert.equal(
    await outcomeOf(client.send('dev', new Message(Buffer.alloc(200_000)))),
    'MessageTooLargeError',
  );
  assert.match(rig.findings.at(-1)?.reason ?? '', /larger than 100000 bytes/);
});

test('a wrong key is refused with UnauthorizedError, and the log says why', async (t) => {
  const rig = await openRig(t);
  const wrong = Buffer.alloc(32).toString('base64');
  const client = Client.fromConnectionString(
    rig.service.replace(/SharedAccessKey=.*/, `SharedAccessKey=${wrong}`),
  );
  client.setRetryPolicy(new NoRetry());
  // The SDK wraps the error, and does not give the wrapper a type.
  await assert.rejects(client.open(), (error: Error & { amqpError?: Error }) => {
    assert.equal(error.amqpError?.name, 'UnauthorizedError');
    return true;
  });
  assert.match(rig.findings[0]?.reason ?? '', /not signed with the key/);
});

test('feedback reaches the service SDK as JSON and is removed when it is received', async (t) => {
  const rig = await openRig(t);
  const client = await openClient(rig);
  const receiver = await new Promise<EventEmitter>((resolve, reject) => {
    client.getFeedbackReceiver((error, found) =>
      found ? resolve(found as unknown as EventEmitter) : reject(error),
    );
  });
  const received = once(receiver, 'message');
  const message = new Message('x');
  message.messageId = 'm1';
  message.ack = 'full';
  await client.send('dev', message);
  const delivery = await rig.engine.cloudToDevice.lockNext('dev');
  await rig.engine.cloudToDevice.complete('dev', delivery?.lockToken ?? '');
  rig.clock.advance(15_000);
  const [feedback] = await received;
  const [record] = JSON.parse(feedback.data.toString());
  assert.equal(record.originalMessageId, 'm1');
  assert.equal(record.statusCode, 'Success');
  assert.equal(record.deviceId, 'dev');
  assert.equal(feedback.contentType, 'application/vnd.microsoft.iothub.feedback.json');
  while (rig.engine.feedback.pending() > 0) await nextTurn();
});

test('file notifications reach the service SDK', async (t) => {
  const rig = await openRig(t);
  const client = await openClient(rig);
  const receiver = await new Promise<EventEmitter>((resolve, reject) => {
    client.getFileNotificationReceiver((error, found) =>
      found ? resolve(found as unknown as EventEmitter) : reject(error),
    );
  });
  const received = once(receiver, 'message');
  await rig.engine.fileNotifications.publish(Buffer.from('{"deviceId":"dev"}'));
  const [notification] = await received;
  assert.equal(notification.data.toString(), '{"deviceId":"dev"}');
  while (rig.engine.fileNotifications.pending() > 0) await nextTurn();
});

test('three thousand messages pass through one link and leave nothing behind', async (t) => {
  const rig = await openRig(t, { engine: { cloudToDevice: { maxPendingPerDevice: 10_000 } } });
  const client = await openClient(rig);
  await client.send('dev', new Message('first'));
  const body = Buffer.alloc(100);
  for (let sent = 0; sent < 3_000; sent += 100)
    await Promise.all(Array.from({ length: 100 }, () => client.send('dev', new Message(body))));
  assert.equal(rig.engine.cloudToDevice.pending('dev'), 3_001);
});

test('a stopping hub says goodbye, and the service SDK notices at once', async (t) => {
  const rig = await openRig(t);
  const client = await openClient(rig);
  await client.send('dev', new Message('x'));
  const disconnected = once(client, 'disconnect');
  const closed = rig.frontEnd.close();
  await disconnected;
  await closed;
  assert.equal(rig.frontEnd.connectionCount, 0);
});
