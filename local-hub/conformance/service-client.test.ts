/** azure-iothub's Client over AMQP: sending, each error with its class and its line, authentication, links and recovery. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import common from 'azure-iot-common';
import type iot from 'azure-iot-device';
import iothub from 'azure-iothub';
import serviceAmqp from 'azure-iothub/dist/amqp.js';
import base from 'azure-iothub/dist/common-amqp/amqp.js';
import { arrivalsOf, failsWith, type SdkError, within } from './expect.ts';
import { feedbackOf } from './feedback.ts';
import { startHub } from './hub.ts';
import { createService, openDevice } from './sdk.ts';

const { Message, NoRetry } = common;
const hub = await startHub();

/** Straight from the connection string, as every tutorial does it. */
function createFromFactory(connectionString = hub.connectionString('service')): iothub.Client {
  const client = iothub.Client.fromConnectionString(connectionString);
  client.setRetryPolicy(new NoRetry());
  hub.onStop(() => within('close', client.close(), 500).catch(() => undefined));
  return client;
}

test('the factory takes a connection string with a port, and its client sends', async () => {
  await hub.addDevice('factory');
  const client = createFromFactory();
  await client.open();
  await client.send('factory', new Message('x'));
  assert.equal(hub.engine.cloudToDevice.pending('factory'), 1);
});

test('AMQP over WebSocket sends as well', async () => {
  await hub.addDevice('web-socket');
  const { name, key } = hub.policy('service');
  class Mapped extends base.Amqp {
    override connect(config: { uri: string }, done?: (error: Error) => void): void {
      super.connect({ ...config, uri: `wss://${hub.hostName}/$iothub/websocket` } as never, done as never);
    }
  }
  const config = { host: hub.hostName, keyName: name, sharedAccessSignature: hub.sign(name, key) };
  const client = new iothub.Client(new serviceAmqp.Amqp(config, new Mapped(true)));
  client.setRetryPolicy(new NoRetry());
  await client.open();
  await client.send('web-socket', new Message('x'));
  assert.equal(hub.engine.cloudToDevice.pending('web-socket'), 1);
  await client.close();
});

test('a message id in the shape of a UUID, sent as AMQP uuid, reaches the device as text', async () => {
  await hub.addDevice('uuid');
  const service = createService(hub);
  const device = await openDevice(hub, 'uuid');
  const messages = arrivalsOf<iot.Message>(device, 'message');
  const message = new Message('x');
  message.messageId = randomUUID();
  message.correlationId = randomUUID();
  await service.send('uuid', message);
  const [received] = await messages.count(1);
  assert.equal(received?.messageId, message.messageId);
  assert.equal(received?.correlationId, message.correlationId);
});

test('an unknown device is DeviceNotFoundError and one line, and the link goes on', async () => {
  await hub.addDevice('known');
  const service = createService(hub);
  await service.send('known', new Message('x'));
  const lines = hub.watchLines();
  await failsWith('DeviceNotFoundError', service.send('unknown', new Message('x')));
  assert.match(await lines.only(), /unknown/);
  await service.send('known', new Message('x'));
});

test('the 51st pending message is DeviceMaximumQueueDepthExceededError and one line, and draining makes room', async () => {
  await hub.addDevice('full');
  const service = createService(hub);
  for (let n = 0; n < 50; n += 1) await service.send('full', new Message(String(n)));
  const lines = hub.watchLines();
  await failsWith('DeviceMaximumQueueDepthExceededError', service.send('full', new Message('50')));
  assert.match(await lines.only(), /full.*50/);
  const device = await openDevice(hub, 'full');
  await arrivalsOf(device, 'message').count(50);
  await service.send('full', new Message('51'));
});

test('a message over 64 KiB is MessageTooLargeError and one line, properties included', async () => {
  await hub.addDevice('large');
  const service = createService(hub);
  await service.send('large', new Message(Buffer.alloc(64 * 1024 - 1_000)));
  const lines = hub.watchLines();
  await failsWith('MessageTooLargeError', service.send('large', new Message(Buffer.alloc(64 * 1024 + 1))));
  assert.match(await lines.only(), /(large|65536|64 KiB)/i);
  const heavy = new Message(Buffer.alloc(64 * 1024 - 100));
  heavy.properties.add('weight', 'x'.repeat(1_000));
  await failsWith('MessageTooLargeError', service.send('large', heavy));
  await service.send('large', new Message('fine'));
});

test('a throttled send is ThrottlingError', async () => {
  await hub.addDevice('throttled');
  const service = createService(hub);
  await service.send('throttled', new Message('x'));
  hub.engine.faults.inject({ kind: 'throttle', deviceId: 'throttled' });
  await failsWith('ThrottlingError', service.send('throttled', new Message('x')));
  await service.send('throttled', new Message('x'));
});

for (const [what, connectionString, line] of [
  ['a wrong key', () => keyed('service', btoa('z'.repeat(32))), /service.*key/i],
  ['an unknown policy', () => keyed('nobody', btoa('z'.repeat(32))), /nobody/],
  ['a policy without the right', () => hub.connectionString('registryRead'), /registryRead/],
] as const) {
  test(`${what} is UnauthorizedError inside the SDK's plain Error, and one line`, async () => {
    const client = createFromFactory(connectionString());
    const lines = hub.watchLines();
    await refusedInside(client.send('anybody', new Message('x')));
    assert.match(await lines.only(), line);
    await refusedInside(client.open());
  });
}

test('an expired token is UnauthorizedError inside a plain Error, and one line', async () => {
  const { name, key } = hub.policy('service');
  const client = iothub.Client.fromSharedAccessSignature(hub.sign(name, key, -600));
  client.setRetryPolicy(new NoRetry());
  const lines = hub.watchLines();
  await refusedInside(client.send('anybody', new Message('x')));
  assert.match(await lines.only(), /expired/);
});

test('trap: verdicts of different kinds in one flush each reach their own message', async () => {
  await hub.addDevice('verdict');
  const device = await openDevice(hub, 'verdict');
  arrivalsOf(device, 'message');
  const service = createService(hub);
  await service.send('verdict', new Message('first'));
  // rhea merges neighbouring dispositions of one flush and gives all of them the first one's outcome.
  for (const pattern of ['aar', 'ara', 'raa', 'rar', 'arrarara', 'aaaaaaaaaarrrrrrrrrr']) {
    const outcomes = await Promise.all(
      [...pattern].map((kind) =>
        within(
          'a verdict',
          service.send(kind === 'a' ? 'verdict' : 'nobody', new Message('x')).then(
            () => 'a',
            (error: Error) => error.name,
          ),
        ),
      ),
    );
    assert.deepEqual(
      outcomes,
      [...pattern].map((kind) => (kind === 'a' ? 'a' : 'DeviceNotFoundError')),
      pattern,
    );
  }
});

test('trap: twenty concurrent first sends open twenty links, and every message arrives once', async () => {
  await hub.addDevice('stampede');
  const service = createService(hub);
  await Promise.all(Array.from({ length: 20 }, (_, n) => service.send('stampede', new Message(String(n)))));
  const device = await openDevice(hub, 'stampede');
  const messages = await arrivalsOf<iot.Message>(device, 'message').count(20);
  assert.equal(new Set(messages.map((message) => message.getData().toString())).size, 20);
});

test('trap: after 2,200 sends on one session the link still has credit and the session still has room', async () => {
  const ids = Array.from({ length: 44 }, (_, n) => `many-${n}`);
  await Promise.all(ids.map((deviceId) => hub.addDevice(deviceId)));
  const service = createService(hub);
  await service.send('many-0', new Message('x'));
  for (let round = 0; round < 49; round += 1) {
    await within('a round', Promise.all(ids.map((deviceId) => service.send(deviceId, new Message('x')))));
  }
  await service.send('many-1', new Message('last'));
  assert.equal(hub.engine.cloudToDevice.pending('many-1'), 50);
});

test('trap: after all sockets are cut the client says disconnect, and the next send works', async () => {
  await hub.addDevice('cut');
  const service = createService(hub);
  await service.open();
  await service.send('cut', new Message('x'));
  const disconnected = new Promise((resolve) => service.once('disconnect', resolve));
  await hub.restart();
  await within('disconnect', disconnected);
  await service.send('cut', new Message('y'));
  assert.equal(hub.engine.cloudToDevice.pending('cut'), 2);
});

test('two feedback receivers share the records: each is delivered once', async () => {
  await hub.addDevice('shared');
  const services = [createService(hub), createService(hub)];
  const receivers = await Promise.all(services.map(feedbackOf));
  const device = await openDevice(hub, 'shared');
  arrivalsOf(device, 'message');
  for (let n = 0; n < 20; n += 1) {
    const message = new Message('x');
    message.ack = 'full';
    message.messageId = `shared-${n}`;
    await services[0]?.send('shared', message);
  }
  const records = () => receivers.flatMap(({ all }) => all).filter(({ deviceId }) => deviceId === 'shared');
  await within(
    'all records',
    (async () => {
      while (records().length < 20)
        await Promise.race(receivers.map(({ all, count }) => count(all.length + 1)));
    })(),
  );
  assert.equal(new Set(records().map(({ originalMessageId }) => originalMessageId)).size, 20);
  assert.equal(records().length, 20);
});

test('a service token is renewed on the same connection', async () => {
  await hub.addDevice('renewed');
  const { name, key } = hub.policy('service');
  const transport = new serviceAmqp.Amqp({
    host: hub.hostName,
    keyName: name,
    sharedAccessSignature: hub.sign(name, key, 5),
  });
  const client = new iothub.Client(transport);
  client.setRetryPolicy(new NoRetry());
  await client.open();
  await client.send('renewed', new Message('x'));
  await within(
    'renewal',
    new Promise<void>((resolve, reject) => {
      transport.updateSharedAccessSignature(hub.sign(name, key, 600), (error) =>
        error ? reject(error) : resolve(),
      );
    }),
  );
  await client.send('renewed', new Message('y'));
  await client.close();
});

/** The SDK knows the class while it connects, and loses it when it says that it could not (translateError of azure-iothub). */
async function refusedInside(attempt: Promise<unknown>): Promise<void> {
  const error: SdkError & { amqpError?: Error } = await failsWith('Error', attempt);
  assert.equal(error.amqpError?.name, 'UnauthorizedError');
}

function keyed(name: string, key: string): string {
  return `HostName=${hub.hostName};SharedAccessKeyName=${name};SharedAccessKey=${key}`;
}
