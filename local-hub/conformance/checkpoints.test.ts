/** @azure/event-hubs with the blob checkpoint store on a real Azurite: resume without overlap or loss, and sharing of partitions. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { earliestEventPosition, type ReceivedEventData } from '@azure/event-hubs';
import { BlobCheckpointStore } from '@azure/eventhubs-checkpointstore-blob';
import { ContainerClient } from '@azure/storage-blob';
import iot from 'azure-iot-device';
import { createArrivals, eventually } from './expect.ts';
import { startHub } from './hub.ts';
import { createConsumer, openDevice } from './sdk.ts';

const hub = await startHub({ storage: { azuritePort: 0 } });

/** A processor that checkpoints every batch, in a container of its own per test. */
async function startProcessor(container: string) {
  const client = new ContainerClient(hub.storageConnectionString, container);
  await client.createIfNotExists();
  const store = new BlobCheckpointStore(client);
  const events = createArrivals<ReceivedEventData>('event');
  const consumer = createConsumer(hub, {
    store,
    loadBalancingOptions: {
      strategy: 'greedy',
      updateIntervalInMs: 300,
      partitionOwnershipExpirationIntervalInMs: 3_000,
    },
  });
  const owned = new Set<string>();
  const lost = createArrivals<string>('lost partition');
  const subscription = consumer.subscribe(
    {
      processInitialize: async ({ partitionId }) => void owned.add(partitionId),
      processClose: async (reason, { partitionId }) => {
        owned.delete(partitionId);
        if (String(reason) === 'OwnershipLost') lost.add(partitionId);
      },
      processEvents: async (batch, context) => {
        for (const event of batch) events.add(event);
        const last = batch.at(-1);
        if (last) await context.updateCheckpoint(last);
      },
      processError: async () => {},
    },
    { startPosition: earliestEventPosition, maxWaitTimeInSeconds: 1, skipParsingBodyAsJson: true },
  );
  return {
    events,
    owned,
    lost,
    stop: async () => {
      await subscription.close();
      await consumer.close();
    },
  };
}

const ids = Array.from({ length: 8 }, (_, n) => `device-${n}`);
await Promise.all(ids.map((deviceId) => hub.addDevice(deviceId)));
const devices = await Promise.all(ids.map((deviceId) => openDevice(hub, deviceId)));

async function send(from: number, to: number): Promise<void> {
  for (let n = from; n < to; n += 1) {
    const message = new iot.Message('x');
    message.messageId = String(n);
    await devices[n % devices.length]?.sendEvent(message);
  }
}

const messageIds = (events: readonly ReceivedEventData[]): number[] =>
  events.map(({ messageId }) => Number(messageId)).sort((a, b) => a - b);
const expected = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, n) => from + n);

test('trap: a processor resumes from its checkpoints with zero overlap and zero loss', async () => {
  await send(0, 200);
  const first = await startProcessor('resume');
  await first.events.count(200);
  await first.stop();
  assert.deepEqual(messageIds(first.events.all), expected(0, 200));
  await send(200, 240);
  const second = await startProcessor('resume');
  await second.events.count(40);
  await second.stop();
  assert.deepEqual(messageIds(second.events.all), expected(200, 240));
});

test('trap: a second processor takes half of the partitions, and the first one is told that it lost them', async () => {
  const first = await startProcessor('share');
  await eventually('all partitions', () => (first.owned.size === 4 ? true : undefined));
  const second = await startProcessor('share');
  await eventually(
    'half of the partitions',
    () => (first.owned.size === 2 && second.owned.size === 2 ? true : undefined),
    20_000,
  );
  assert.ok(first.lost.all.length >= 2);
  assert.equal(new Set([...first.owned, ...second.owned]).size, 4);
  await Promise.all([first.stop(), second.stop()]);
});
