/** @azure/event-hubs against the built-in endpoint: properties, positions, owners, every way to connect, and each refusal. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type EventHubConsumerClient,
  type EventPosition,
  earliestEventPosition,
  latestEventPosition,
  type ReceivedEventData,
  type SubscribeOptions,
} from '@azure/event-hubs';
import iot from 'azure-iot-device';
import { WebSocket } from 'ws';
import { signSas } from '../src/engine/sas.ts';
import { deviceOf } from './events.ts';
import { type Arrivals, createArrivals, failsWith, within } from './expect.ts';
import { startHub } from './hub.ts';
import { createConsumer, createRegistryWith, openDevice } from './sdk.ts';

const hub = await startHub({ consumerGroups: ['second'] });
const consumer = createConsumer(hub);
const [entity, endpointHost] = [hub.eventHubName, hub.hostName];

await hub.addDevice('source');
const source = await openDevice(hub, 'source');
const partition = String(hub.engine.telemetry.partitionOf('source'));
for (let n = 0; n < 10; n += 1) await source.sendEvent(new iot.Message(String(n)));

type Reader = Arrivals<ReceivedEventData> & {
  errors: Arrivals<Error>;
  closes: Arrivals<string>;
  close(): Promise<void>;
};

function read(client: EventHubConsumerClient, partitionId: string, options: SubscribeOptions): Reader {
  const arrivals = createArrivals<ReceivedEventData>('event');
  const errors = createArrivals<Error>('error');
  const closes = createArrivals<string>('close');
  const subscription = client.subscribe(
    partitionId,
    {
      processEvents: async (events) => {
        for (const event of events) arrivals.add(event);
      },
      processError: async (error) => errors.add(error),
      processClose: async (reason) => closes.add(String(reason)),
    },
    { maxWaitTimeInSeconds: 1, skipParsingBodyAsJson: true, ...options },
  );
  hub.onStop(() => subscription.close());
  return { ...arrivals, errors, closes, close: () => subscription.close() };
}

const text = (event: ReceivedEventData | undefined): string =>
  Buffer.from(event?.body as Uint8Array).toString();

test('the properties of the hub and of its partitions', async () => {
  const properties = await consumer.getEventHubProperties();
  assert.equal(properties.name, entity);
  assert.deepEqual(properties.partitionIds, ['0', '1', '2', '3']);
  assert.ok(Math.abs(properties.createdOn.getTime() - Date.now()) < 60_000);
  assert.deepEqual(await consumer.getPartitionIds(), ['0', '1', '2', '3']);
  const busy = await consumer.getPartitionProperties(partition);
  assert.equal(busy.eventHubName, entity);
  assert.equal(busy.partitionId, partition);
  assert.equal(busy.isEmpty, false);
  assert.equal(busy.lastEnqueuedSequenceNumber - busy.beginningSequenceNumber, 9);
  assert.match(busy.lastEnqueuedOffset, /^\d+$/);
  assert.ok(Math.abs(busy.lastEnqueuedOnUtc.getTime() - Date.now()) < 60_000);
  const empty = await consumer.getPartitionProperties(partition === '0' ? '1' : '0');
  assert.equal(empty.isEmpty, true);
});

test('every start position begins where it says', async () => {
  const all = read(createConsumer(hub), partition, { startPosition: earliestEventPosition });
  const events = await all.count(10);
  await all.close();
  assert.deepEqual(events.map(text), ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
  const fifth = events[5] ?? assert.fail();
  const positions: readonly [string, EventPosition, string][] = [
    ['after a sequence number', { sequenceNumber: fifth.sequenceNumber }, '6'],
    ['from a sequence number', { sequenceNumber: fifth.sequenceNumber, isInclusive: true }, '5'],
    ['after an offset', { offset: fifth.offset }, '6'],
    ['from an offset', { offset: fifth.offset, isInclusive: true }, '5'],
    ['after the time of the past', { enqueuedOn: new Date(Date.now() - 60_000) }, '0'],
  ];
  for (const [what, startPosition, first] of positions) {
    const reader = read(createConsumer(hub), partition, { startPosition });
    const got = await reader.count(1);
    assert.equal(text(got[0]), first, what);
    await reader.close();
  }
  const latest = read(createConsumer(hub), partition, { startPosition: latestEventPosition });
  // Whoever waits at the end is in place once the next event is stored after the attach.
  await settleAttach();
  await source.sendEvent(new iot.Message('new'));
  assert.equal(text((await latest.count(1))[0]), 'new');
});

test('offsets and sequence numbers rise, and one device stays in one partition', async () => {
  const reader = read(createConsumer(hub), partition, { startPosition: earliestEventPosition });
  const events = await reader.count(10);
  for (let n = 1; n < events.length; n += 1) {
    assert.ok((events[n]?.sequenceNumber ?? 0) > (events[n - 1]?.sequenceNumber ?? 0));
    assert.ok(BigInt(events[n]?.offset ?? 0) > BigInt(events[n - 1]?.offset ?? 0));
  }
  assert.ok(events.every((event) => deviceOf(event) === 'source'));
});

test('JSON bodies are parsed by the SDK, and others are left alone', async () => {
  await hub.addDevice('json');
  const client = await openDevice(hub, 'json');
  const at = String(hub.engine.telemetry.partitionOf('json'));
  await client.sendEvent(new iot.Message('{"a":1}'));
  const reader = read(createConsumer(hub), at, {
    startPosition: earliestEventPosition,
    skipParsingBodyAsJson: false,
  });
  const event = await reader.find((each) => deviceOf(each) === 'json');
  assert.deepEqual(event.body, { a: 1 });
});

test('runtime metrics come with each event when they are asked for', async () => {
  const lasts = createArrivals<number>('last sequence');
  const subscription = createConsumer(hub).subscribe(
    partition,
    {
      processEvents: async (_events, context) =>
        lasts.add(context.lastEnqueuedEventProperties?.sequenceNumber ?? -1),
      processError: async () => {},
    },
    { startPosition: earliestEventPosition, trackLastEnqueuedEventProperties: true, maxWaitTimeInSeconds: 1 },
  );
  const last = await consumer.getPartitionProperties(partition);
  await lasts.find((sequence) => sequence === last.lastEnqueuedSequenceNumber);
  await subscription.close();
});

test('trap: a higher owner level steals the partition, and a lower one does not get it back', async () => {
  const low = read(createConsumer(hub), partition, { startPosition: earliestEventPosition, ownerLevel: 1 });
  await low.count(1);
  const high = read(createConsumer(hub), partition, { startPosition: earliestEventPosition, ownerLevel: 2 });
  await high.count(1);
  const stolen = (await low.errors.count(1))[0] as Error & { code?: string };
  assert.equal(stolen.code, 'ReceiverDisconnectedError');
  await low.close();
  const again = read(createConsumer(hub), partition, { startPosition: earliestEventPosition, ownerLevel: 1 });
  const refused = (await again.errors.count(1))[0] as Error & { code?: string };
  assert.equal(refused.code, 'ReceiverDisconnectedError');
  assert.equal(again.all.length, 0);
  const without = read(createConsumer(hub), partition, { startPosition: earliestEventPosition });
  assert.equal(
    ((await without.errors.count(1))[0] as Error & { code?: string }).code,
    'ReceiverDisconnectedError',
  );
  await Promise.all([again.close(), without.close(), high.close()]);
});

test('consumer groups read independently of each other', async () => {
  for (const group of ['$Default', 'second']) {
    const reader = read(createConsumer(hub, { group }), partition, { startPosition: earliestEventPosition });
    assert.ok((await reader.count(10)).length >= 10);
    await reader.close();
  }
});

const policy = hub.policy('service');
const keyed = `SharedAccessKeyName=${policy.name};SharedAccessKey=${policy.key};EntityPath=${entity}`;
for (const [how, connect] of [
  [
    'TLS with a port',
    () => createConsumer(hub, { connectionString: `Endpoint=sb://${endpointHost}/;${keyed}` }),
  ],
  [
    'a custom endpoint address under a foreign name',
    () =>
      createConsumer(hub, {
        connectionString: `Endpoint=sb://contoso.servicebus.windows.net/;${keyed}`,
        customEndpointAddress: `sb://${endpointHost}`,
      }),
  ],
  [
    'a WebSocket',
    () =>
      createConsumer(hub, {
        connectionString: `Endpoint=sb://${endpointHost}/;${keyed}`,
        webSocketOptions: { webSocket: WebSocket, webSocketConstructorOptions: { ca: hub.caPem } },
      }),
  ],
] as const) {
  test(`events are read over ${how}`, async () => {
    const client = connect();
    assert.deepEqual(await within('the partitions', client.getPartitionIds()), ['0', '1', '2', '3']);
    const reader = read(client, partition, { startPosition: earliestEventPosition });
    assert.equal(text((await reader.count(1))[0]), '0');
    await reader.close();
  });
}

for (const [what, connectionString, code, line] of [
  [
    'a wrong key',
    `Endpoint=sb://${endpointHost}/;SharedAccessKeyName=service;SharedAccessKey=${btoa('q'.repeat(32))};EntityPath=${entity}`,
    'UnauthorizedError',
    /service.*key/i,
  ],
  [
    'an unknown policy',
    `Endpoint=sb://${endpointHost}/;SharedAccessKeyName=nobody;SharedAccessKey=${policy.key};EntityPath=${entity}`,
    'UnauthorizedError',
    /nobody/,
  ],
  [
    'a policy without the right',
    hub
      .connectionString('registryRead')
      .replace(`HostName=${endpointHost}`, `Endpoint=sb://${endpointHost}/`)
      .concat(`;EntityPath=${entity}`),
    'UnauthorizedError',
    /registryRead/,
  ],
] as const) {
  test(`${what} is ${code} and one line`, async () => {
    const client = createConsumer(hub, { connectionString, retryOptions: { maxRetries: 0 } });
    const lines = hub.watchLines();
    const error = await within(
      'a failure',
      client.getPartitionIds().then(
        () => undefined,
        (reason: unknown) => reason,
      ),
    );
    assert.equal((error as { code?: string }).code, code, String(error));
    assert.match(await lines.only(), line);
  });
}

test('trap: the two dialects of SAS: each endpoint takes its own, and names the other one in one line', async () => {
  const resource = `sb://${endpointHost}/${entity}`;
  const expiresAtMs = Date.now() + 60_000;
  const token = (dialect: 'iothub' | 'eventhub') =>
    signSas({ resource, key: policy.key, policyName: policy.name, expiresAtMs, dialect });
  const connect = (dialect: 'iothub' | 'eventhub') =>
    createConsumer(hub, {
      connectionString: `Endpoint=sb://${endpointHost}/;SharedAccessSignature=${token(dialect)};EntityPath=${entity}`,
      retryOptions: { maxRetries: 0 },
    });
  assert.deepEqual(await within('the partitions', connect('eventhub').getPartitionIds()), [
    '0',
    '1',
    '2',
    '3',
  ]);
  const lines = hub.watchLines();
  const error = await within(
    'a failure',
    connect('iothub')
      .getPartitionIds()
      .then(
        () => undefined,
        (reason: unknown) => reason,
      ),
  );
  assert.equal((error as { code?: string }).code, 'UnauthorizedError');
  assert.match(await lines.only(), /other dialect/);
  const more = hub.watchLines();
  const foreign = signSas({
    resource: hub.hostName,
    key: hub.policy('iothubowner').key,
    policyName: 'iothubowner',
    expiresAtMs,
    dialect: 'eventhub',
  });
  await failsWith('UnauthorizedError', createRegistryWith(hub, foreign).list());
  assert.match(await more.only(), /other dialect/);
});

test('an unknown event hub and an unknown partition are errors of their own', async () => {
  const client = createConsumer(hub, {
    connectionString: `Endpoint=sb://${endpointHost}/;${keyed.replace(entity, 'elsewhere')}`,
    retryOptions: { maxRetries: 0 },
  });
  const lines = hub.watchLines();
  const error = await within(
    'a failure',
    client.getEventHubProperties().then(
      () => undefined,
      (reason: unknown) => reason,
    ),
  );
  assert.equal((error as { code?: string }).code, 'MessagingEntityNotFoundError');
  assert.match(await lines.only(), /elsewhere.*EntityPath is/);
  const outside = createConsumer(hub, { retryOptions: { maxRetries: 0 } });
  const missing = await within(
    'a failure',
    outside.getPartitionProperties('99').then(
      () => undefined,
      (reason: unknown) => reason,
    ),
  );
  assert.ok(missing instanceof Error);
});

test('trap: 2,200 management requests on one session are all answered', async () => {
  const client = createConsumer(hub);
  for (let round = 0; round < 44; round += 1) {
    await within(
      'a round',
      Promise.all(Array.from({ length: 50 }, () => client.getPartitionProperties(partition))),
    );
  }
});

test('trap: all sockets cut: the consumer comes back by itself, and every event arrives once', async () => {
  await hub.addDevice('cut');
  const device = await openDevice(hub, 'cut');
  const at = String(hub.engine.telemetry.partitionOf('cut'));
  const reader = read(createConsumer(hub), at, { startPosition: earliestEventPosition });
  const mine = () => reader.all.filter((event) => deviceOf(event) === 'cut').map(text);
  for (let n = 0; n < 10; n += 1) await device.sendEvent(new iot.Message(String(n)));
  await reader.until(() => mine().length === 10);
  await hub.restart();
  const again = await openDevice(hub, 'cut');
  for (let n = 10; n < 20; n += 1) await again.sendEvent(new iot.Message(String(n)));
  await reader.until(() => mine().length >= 20);
  assert.deepEqual(
    mine(),
    Array.from({ length: 20 }, (_, n) => String(n)),
  );
});

/** The SDK does not tell when a reader is attached; the hub knows. */
async function settleAttach(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 300));
}
