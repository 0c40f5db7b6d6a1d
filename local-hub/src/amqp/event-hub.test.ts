import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  EventHubConsumerClient,
  type EventHubConsumerClientOptions,
  EventHubProducerClient,
  type EventPosition,
  earliestEventPosition,
  latestEventPosition,
  type ReceivedEventData,
  type SubscribeOptions,
} from '@azure/event-hubs';
import WebSocket from 'ws';
import { eventHubName, openRig, type Rig } from './testing/rig.ts';

type Port = Parameters<Rig['eventHub']>[0];

function createClient(rig: Rig, port: Port = 'plain', group = '$Default'): EventHubConsumerClient {
  const options: EventHubConsumerClientOptions = {
    skipParsingBodyAsJson: true,
    retryOptions: { maxRetries: 0, timeoutInMs: 5_000 },
    ...(port === 'webSocket' && {
      webSocketOptions: { webSocket: WebSocket, webSocketConstructorOptions: { ca: rig.ca } },
    }),
  } as EventHubConsumerClientOptions;
  const client = new EventHubConsumerClient(group, rig.eventHub(port), options);
  rig.beforeStop(() => client.close());
  return client;
}

/** Reads from one partition until `count` events have come. */
async function readEvents(
  client: EventHubConsumerClient,
  partition: string,
  startPosition: EventPosition,
  count: number,
  options: Partial<SubscribeOptions> = {},
): Promise<ReceivedEventData[]> {
  const events: ReceivedEventData[] = [];
  let subscription: { close(): Promise<void> } | undefined;
  await new Promise<void>((resolve, reject) => {
    subscription = client.subscribe(
      partition,
      {
        async processEvents(batch) {
          events.push(...batch);
          if (events.length >= count) resolve();
        },
        async processError(error) {
          reject(error);
        },
      },
      { startPosition, maxWaitTimeInSeconds: 1, maxBatchSize: 300, ...options },
    );
  });
  await subscription?.close();
  return events;
}

/** The first error of a subscription. */
function firstError(client: EventHubConsumerClient, partition: string, options: SubscribeOptions) {
  return new Promise<Error & { code?: string }>((resolve) => {
    const subscription = client.subscribe(
      partition,
      {
        async processEvents() {},
        async processError(error) {
          resolve(error);
          void subscription.close();
        },
      },
      options,
    );
  });
}

const bodies = (events: ReceivedEventData[]) => events.map((event) => String(event.body));
const numbers = (count: number, from = 0) => Array.from({ length: count }, (_, index) => `${from + index}`);
const partitionOf = (rig: Rig, deviceId = 'dev') => String(rig.engine.telemetry.partitionOf(deviceId));

for (const port of ['tls', 'plain', 'webSocket'] as const)
  test(`the Event Hubs SDK reads what a device sent, over ${port}`, async (t) => {
    const rig = await openRig(t);
    await rig.appendEvents('dev', numbers(200));
    const client = createClient(rig, port);
    const events = await readEvents(client, partitionOf(rig), earliestEventPosition, 200);
    assert.deepEqual(bodies(events), numbers(200));
  });

test('events carry the annotations of IoT Hub with the right types', async (t) => {
  const rig = await openRig(t);
  const { generationId } = rig.engine.registry.require('dev');
  const authMethod = { scope: 'device', type: 'sas', issuer: 'iothub' } as const;
  await rig.engine.telemetry.append({
    deviceId: 'dev',
    auth: { deviceId: 'dev', generationId, authMethod },
    message: {
      body: Buffer.from('{}'),
      system: {
        messageId: 'm',
        correlationId: 'c',
        contentType: 'application/json',
        contentEncoding: 'utf-8',
        interfaceId: 'i',
        creationTimeUtc: '2026-01-01T00:00:00Z',
      },
      properties: { colour: 'grün' },
    },
  });
  const [event] = await readEvents(createClient(rig), partitionOf(rig), earliestEventPosition, 1);
  assert.equal(typeof event?.sequenceNumber, 'number');
  assert.equal(typeof event?.offset, 'string');
  assert.deepEqual(event?.enqueuedTimeUtc, new Date(rig.clock.now()));
  assert.deepEqual(event?.properties, { colour: 'grün' });
  assert.equal(event?.messageId, 'm');
  assert.equal(event?.correlationId, 'c');
  assert.equal(event?.contentType, 'application/json');
  assert.deepEqual(event?.systemProperties, {
    'iothub-connection-device-id': 'dev',
    'iothub-connection-auth-method': JSON.stringify(authMethod),
    'iothub-connection-auth-generation-id': generationId,
    'iothub-enqueuedtime': rig.clock.now(),
    'iothub-message-source': 'Telemetry',
    'iothub-interface-id': 'i',
    'iothub-creation-time-utc': '2026-01-01T00:00:00Z',
    messageId: 'm',
    correlationId: 'c',
    contentType: 'application/json',
    contentEncoding: 'utf-8',
  });
});

test('every kind of start position begins where it should', async (t) => {
  const rig = await openRig(t);
  const times: number[] = [];
  for (const number of numbers(6)) {
    rig.clock.advance(1_000);
    times.push(rig.clock.now());
    await rig.appendEvents('dev', [number]);
  }
  const client = createClient(rig);
  const partition = partitionOf(rig);
  const all = await readEvents(client, partition, earliestEventPosition, 6);
  const third = all[2]!;
  const read = async (position: EventPosition, count: number) =>
    bodies(await readEvents(client, partition, position, count));
  assert.deepEqual(await read({ offset: third.offset }, 3), ['3', '4', '5']);
  assert.deepEqual(await read({ offset: third.offset, isInclusive: true }, 4), ['2', '3', '4', '5']);
  assert.deepEqual(await read({ sequenceNumber: third.sequenceNumber }, 3), ['3', '4', '5']);
  assert.deepEqual(await read({ sequenceNumber: third.sequenceNumber, isInclusive: true }, 4), [
    '2',
    '3',
    '4',
    '5',
  ]);
  assert.deepEqual(await read({ enqueuedOn: times[3]! }, 2), ['4', '5']);
  assert.deepEqual(await read({ enqueuedOn: times[3]! - 1 }, 3), ['3', '4', '5']);
});

test('a reader of the latest position gets what is sent after it came, and goes on while it waits', async (t) => {
  const rig = await openRig(t);
  await rig.appendEvents('dev', ['old']);
  const client = createClient(rig);
  const received: string[] = [];
  let notify = () => {};
  const subscription = client.subscribe(
    partitionOf(rig),
    {
      async processInitialize() {},
      async processEvents(events) {
        received.push(...bodies(events));
        notify();
      },
      async processError() {},
    },
    { startPosition: latestEventPosition, maxWaitTimeInSeconds: 1 },
  );
  // The link is attached some time after subscribe; what is sent before that is never seen.
  while (received.length === 0) {
    const arrived = new Promise<void>((resolve) => {
      notify = resolve;
    });
    await rig.appendEvents('dev', ['new']);
    await Promise.race([arrived, new Promise((resolve) => setImmediate(resolve))]);
  }
  await subscription.close();
  assert.ok(!received.includes('old'));
});

test('$management tells about the hub and its partitions', async (t) => {
  const rig = await openRig(t);
  await rig.appendEvents('dev', numbers(3));
  const client = createClient(rig);
  const hub = await client.getEventHubProperties();
  assert.equal(hub.name, eventHubName);
  assert.deepEqual(hub.partitionIds, ['0', '1', '2', '3']);
  assert.equal(hub.createdOn.getTime(), rig.engine.telemetry.createdMs);
  const partition = partitionOf(rig);
  const properties = await client.getPartitionProperties(partition);
  const { beginningSequenceNumber, lastSequenceNumber, lastOffset, lastEnqueuedTimeMs } =
    rig.engine.telemetry.info(Number(partition));
  assert.deepEqual(properties, {
    beginningSequenceNumber,
    eventHubName,
    lastEnqueuedOffset: lastOffset,
    lastEnqueuedOnUtc: new Date(lastEnqueuedTimeMs),
    lastEnqueuedSequenceNumber: lastSequenceNumber,
    partitionId: partition,
    isEmpty: false,
  });
  const empty = await client.getPartitionProperties(partition === '0' ? '1' : '0');
  assert.equal(empty.isEmpty, true);
  await assert.rejects(client.getPartitionProperties('9'), { code: 'MessagingEntityNotFoundError' });
});

test('wrong keys, hubs, consumer groups and partitions are refused with the errors of Event Hubs', async (t) => {
  const rig = await openRig(t, { consumerGroups: ['Reports'] });
  const wrongKey = new EventHubConsumerClient(
    '$Default',
    rig.eventHub('plain').replace(/SharedAccessKey=[^;]*/, 'SharedAccessKey=wrong'),
    { retryOptions: { maxRetries: 0 } },
  );
  rig.beforeStop(() => wrongKey.close());
  await assert.rejects(wrongKey.getPartitionIds(), { code: 'UnauthorizedError' });
  const wrongHub = new EventHubConsumerClient(
    '$Default',
    rig.eventHub('plain').replace(eventHubName, 'other'),
    {
      retryOptions: { maxRetries: 0 },
    },
  );
  rig.beforeStop(() => wrongHub.close());
  await assert.rejects(wrongHub.getPartitionIds(), { code: 'MessagingEntityNotFoundError' });
  const options = { startPosition: earliestEventPosition };
  const group = await firstError(createClient(rig, 'plain', 'nogroup'), '0', options);
  assert.equal(group.code, 'MessagingEntityNotFoundError');
  const partition = await firstError(createClient(rig), '9', options);
  assert.equal(partition.code, 'ArgumentOutOfRangeError');
  await rig.appendEvents('dev', ['x']);
  const known = createClient(rig, 'plain', 'reports');
  assert.deepEqual(bodies(await readEvents(known, partitionOf(rig), earliestEventPosition, 1)), ['x']);
});

test('a reader with an equal owner level takes the partition over', async (t) => {
  const rig = await openRig(t);
  await rig.appendEvents('dev', ['x']);
  const first = createClient(rig);
  const second = createClient(rig);
  const options = { startPosition: earliestEventPosition, ownerLevel: 1, maxWaitTimeInSeconds: 1 };
  let attached = () => {};
  const ready = new Promise<void>((resolve) => {
    attached = resolve;
  });
  const stolen = new Promise<{ code?: string }>((resolve) => {
    const subscription = first.subscribe(
      partitionOf(rig),
      {
        async processEvents() {
          attached();
        },
        async processError(error) {
          resolve(error as { code?: string });
          void subscription.close();
        },
      },
      options,
    );
  });
  await ready;
  assert.deepEqual(
    bodies(await readEvents(second, partitionOf(rig), earliestEventPosition, 1, { ownerLevel: 1 })),
    ['x'],
  );
  assert.equal((await stolen).code, 'ReceiverDisconnectedError');
});

test('readers that ask for it are told about the end of the partition', async (t) => {
  const rig = await openRig(t);
  await rig.appendEvents('dev', numbers(3));
  const client = createClient(rig);
  let last: unknown;
  await new Promise<void>((resolve) => {
    const subscription = client.subscribe(
      partitionOf(rig),
      {
        async processEvents(events, context) {
          if (events.length === 0) return;
          last = context.lastEnqueuedEventProperties;
          await subscription.close();
          resolve();
        },
        async processError() {},
      },
      { startPosition: earliestEventPosition, trackLastEnqueuedEventProperties: true },
    );
  });
  const info = rig.engine.telemetry.info(Number(partitionOf(rig)));
  assert.deepEqual(last, {
    sequenceNumber: info.lastSequenceNumber,
    enqueuedOn: new Date(info.lastEnqueuedTimeMs),
    offset: info.lastOffset,
    retrievedOn: new Date(rig.clock.now()),
  });
});

test('producers are told that the built-in endpoint takes no events', async (t) => {
  const rig = await openRig(t);
  const producer = new EventHubProducerClient(rig.eventHub('plain'), { retryOptions: { maxRetries: 0 } });
  rig.beforeStop(() => producer.close());
  await assert.rejects(producer.sendBatch([{ body: 'x' }]), { code: 'InvalidOperationError' });
});

test('two thousand events of 4 KiB come complete and in order, while more are appended', async (t) => {
  const rig = await openRig(t);
  const body = (number: number) => `${number}`.padEnd(4_096, '.');
  await rig.appendEvents(
    'dev',
    Array.from({ length: 1_000 }, (_, index) => body(index)),
  );
  const client = createClient(rig);
  const reading = readEvents(client, partitionOf(rig), earliestEventPosition, 2_000);
  for (let from = 1_000; from < 2_000; from += 100)
    await rig.appendEvents(
      'dev',
      Array.from({ length: 100 }, (_, index) => body(from + index)),
    );
  const events = await reading;
  assert.deepEqual(
    bodies(events),
    Array.from({ length: 2_000 }, (_, index) => body(index)),
  );
});
