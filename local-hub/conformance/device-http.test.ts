/** azure-iot-device over HTTPS: telemetry one by one and in batches, and commands with lock, complete, abandon and reject. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import common from 'azure-iot-common';
import iot from 'azure-iot-device';
import { Http } from 'azure-iot-device-http';
import { tapEvents } from './events.ts';
import { arrivalsOf, eventually, failsWith } from './expect.ts';
import { feedbackOf } from './feedback.ts';
import { type HubUnderTest, startHub } from './hub.ts';
import { createDevice, createService } from './sdk.ts';

const hub = await startHub();
const events = tapEvents(hub);
const service = createService(hub);

/** Over HTTPS the SDK polls; `receive` makes it do so now. */
async function openHttp(
  deviceId: string,
  options: { hub?: HubUnderTest; connectionString?: string } = {},
): Promise<iot.Client & { receive(): void }> {
  const { hub: endpoint = hub, ...rest } = options;
  const client = await createDevice(endpoint, deviceId, { transport: Http, ...rest });
  // With manual polling the SDK has no call of its own that polls: only its transport can.
  const { _transport: transport } = client as unknown as { _transport: { receive(): void } };
  return Object.assign(client, { receive: () => transport.receive() });
}

test('telemetry arrives with its bytes and properties', async () => {
  await hub.addDevice('http-d2c');
  const client = await openHttp('http-d2c');
  const message = new iot.Message(Buffer.from([0, 1, 255]));
  message.messageId = 'http-1';
  message.correlationId = 'c';
  message.contentType = 'application/json';
  message.properties.add('kind', 'v a');
  await client.sendEvent(message);
  const event = await events.byId('http-1');
  assert.deepEqual([...(event.body as Uint8Array)], [0, 1, 255]);
  assert.equal(event.correlationId, 'c');
  assert.equal(event.contentType, 'application/json');
  assert.equal(event.properties?.kind, 'v a');
});

test('a batch arrives event by event, in order', async () => {
  await hub.addDevice('http-batch');
  const client = await openHttp('http-batch');
  const batch = ['a', 'b', 'c'].map((text) => {
    const message = new iot.Message(text);
    message.properties.add('n', text);
    return message;
  });
  await client.sendEventBatch(batch);
  await events.until(() => events.of('http-batch').length === 3);
  assert.deepEqual(
    events
      .of('http-batch')
      .map((event) => [Buffer.from(event.body as Uint8Array).toString(), event.properties?.n]),
    [
      ['a', 'a'],
      ['b', 'b'],
      ['c', 'c'],
    ],
  );
});

test('a command is locked, abandoned, delivered again, completed; and another one rejected', async () => {
  await hub.addDevice('http-c2d');
  const feedback = await feedbackOf(service);
  for (const messageId of ['one', 'two']) {
    const message = new common.Message(messageId);
    message.messageId = messageId;
    message.ack = 'full';
    message.properties.add('kind', messageId);
    await service.send('http-c2d', message);
  }
  const client = await openHttp('http-c2d');
  const messages = arrivalsOf<iot.Message & { lockToken: string }>(client, 'message');
  client.receive();
  const [first] = await messages.count(1);
  assert.ok(first?.lockToken);
  assert.equal(first.messageId, 'one');
  assert.equal(first.getData().toString(), 'one');
  await client.abandon(first);
  client.receive();
  const [, again] = await messages.count(2);
  assert.equal(again?.messageId, 'one');
  await client.complete(again);
  await assert.rejects(client.complete(again), 'a lock settles once');
  client.receive();
  const [, , second] = await messages.count(3);
  assert.equal(second?.messageId, 'two');
  await client.reject(second);
  const records = () => feedback.all.filter(({ deviceId }) => deviceId === 'http-c2d');
  await feedback.until(() => records().length === 2);
  assert.deepEqual(
    records().map(({ originalMessageId, statusCode }) => [originalMessageId, statusCode]),
    [
      ['one', 'Success'],
      ['two', 'Rejected'],
    ],
  );
});

test('a lock that expires gives the command back, and its token settles nothing any more', async () => {
  const brief = await startHub({ engine: { cloudToDevice: { lockMs: 150 } } });
  await brief.addDevice('lapsed');
  await createService(brief).send('lapsed', new common.Message('x'));
  const client = await openHttp('lapsed', { hub: brief });
  const messages = arrivalsOf<iot.Message>(client, 'message');
  client.receive();
  const [first] = await messages.count(1);
  await eventually('the command again', () => {
    client.receive();
    return messages.all.length > 1 ? true : undefined;
  });
  await assert.rejects(client.complete(first ?? assert.fail()));
  await client.complete(messages.all[1] ?? assert.fail());
  assert.equal(brief.engine.cloudToDevice.pending('lapsed'), 0);
});

test("a wrong key and an oversize message are the SDK's own errors, with one line each", async () => {
  await hub.addDevice('http-wrong');
  const wrong = await openHttp('http-wrong', {
    connectionString: `HostName=${hub.hostName};DeviceId=http-wrong;SharedAccessKey=${btoa('w'.repeat(32))}`,
  });
  const lines = hub.watchLines();
  await failsWith('UnauthorizedError', wrong.sendEvent(new iot.Message('x')));
  assert.match(await lines.only(), /http-wrong.*key/i);
  const right = await openHttp('http-wrong');
  const more = hub.watchLines();
  await failsWith('MessageTooLargeError', right.sendEvent(new iot.Message(Buffer.alloc(256 * 1024 + 1))));
  assert.match(await more.only(), /http-wrong/);
});

test('twins and methods are NotImplementedError over HTTPS, as the SDK says', async () => {
  await hub.addDevice('http-none');
  const client = await openHttp('http-none');
  await failsWith('NotImplementedError', (async () => client.getTwin())());
});
