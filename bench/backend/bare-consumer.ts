/** The peer: Microsoft's consumer, one bulk write for each kind of document in a batch, one checkpoint after it; nothing else. */
import { EventHubConsumerClient, earliestEventPosition } from '@azure/event-hubs';
import { BlobCheckpointStore } from '@azure/eventhubs-checkpointstore-blob';
import { ContainerClient } from '@azure/storage-blob';
import { fromBinary } from '@bufbuild/protobuf';
import { DeviceToCloudSchema } from '@iotdh/proto/bus/v1';
import { logLineDocuments, pointDocuments } from '../../backend/services/d2c-listener/documents.ts';
import type { LogLineDocument, TelemetryDocument } from '../../backend/shared/database/collections.ts';
import type { Database } from '../../backend/shared/database/connect.ts';
import type { Reader } from './bench.ts';

/** Starts to read; `done` resolves once all events are written. */
export async function bareConsumer(options: Reader): Promise<{ done: Promise<void>; stop(): Promise<void> }> {
  const { database, events, maxBatchSize, loadBalancing } = options;
  const container = new ContainerClient(options.storage, options.container);
  await container.createIfNotExists();
  const store = new BlobCheckpointStore(container);
  const consumer = new EventHubConsumerClient(options.consumerGroup, options.connectionString, store, {
    loadBalancingOptions: loadBalancing,
  });
  const all = Promise.withResolvers<void>();
  let count = 0;
  const subscription = consumer.subscribe(
    {
      async processEvents(batch, context) {
        const last = batch.at(-1);
        if (last === undefined) return;
        await write(
          database,
          batch.map(({ body, systemProperties }) => ({
            body: body as Buffer,
            deviceId: String(systemProperties?.['iothub-connection-device-id']),
          })),
        );
        await context.updateCheckpoint(last);
        count += batch.length;
        if (count >= events) all.resolve();
      },
      async processError(error) {
        all.reject(error);
      },
    },
    {
      startPosition: earliestEventPosition,
      maxBatchSize,
      maxWaitTimeInSeconds: 5,
      skipParsingBodyAsJson: true,
    },
  );
  return {
    done: all.promise,
    async stop() {
      await subscription.close();
      await consumer.close();
    },
  };
}

async function write(database: Database, batch: { body: Buffer; deviceId: string }[]): Promise<void> {
  const points: TelemetryDocument[] = [];
  const lines: LogLineDocument[] = [];
  for (const { body, deviceId } of batch) {
    const { messageId, payload } = fromBinary(DeviceToCloudSchema, body);
    if (payload.case === 'telemetry') points.push(...pointDocuments(messageId, deviceId, payload.value));
    if (payload.case === 'logBatch')
      lines.push(...logLineDocuments(messageId, deviceId, payload.value, new Date()));
  }
  const { telemetry, logLines } = database.collections;
  if (points.length > 0) await telemetry.insertMany(points, { ordered: false });
  if (lines.length > 0) await logLines.insertMany(lines, { ordered: false });
}
