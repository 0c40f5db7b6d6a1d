/**
 * Reads what devices send from the hub's built-in Event Hubs endpoint. All messages of a device are in one partition, and Event
 * Hubs shares the partitions out among the replicas; the checkpoints only tell where to go on, since a request that is read
 * twice is answered twice without harm.
 */
import {
  EventHubConsumerClient,
  type EventHubConsumerClientOptions,
  type ReceivedEventData,
  type Subscription,
} from '@azure/event-hubs';
import { BlobCheckpointStore } from '@azure/eventhubs-checkpointstore-blob';
import type { ContainerClient } from '@azure/storage-blob';
import type { Clock } from '../../../shared/clock.ts';
import type { Log } from '../../../shared/log.ts';

/** A message of a device, as far as the hub vouches for it. */
export type DeviceMessage = { deviceId: string; body: Uint8Array; enqueuedMs: number };

export type ConsumerOptions = {
  /** Of the Event Hubs compatible endpoint, with its EntityPath. */
  connectionString: string;
  /** Must exist in the hub. */
  consumerGroup: string;
  /** An existing container, which keeps checkpoints and who owns which partition. Undefined: this process reads all partitions, from now on. */
  checkpoints: ContainerClient | undefined;
  clock: Clock;
  log: Log;
  /** Messages of one partition, in order. Rejects never. */
  onMessages(messages: readonly DeviceMessage[]): Promise<void>;
  /** How long after a replica died others take over its partitions, in ms. Default 15 s. */
  takeoverMs?: number;
  /** How often a partition's checkpoint is written, in ms. Default 5 s. */
  checkpointEveryMs?: number;
};

export type Consumer = {
  start(): void;
  /** Ends the reading; resolves when the last messages have been handled, or after 5 s. */
  stop(): Promise<void>;
  /** Null: it reads, or waits for its partitions. */
  readonly trouble: string | null;
};

const deviceIdProperty = 'iothub-connection-device-id';
/** What is older is not answered: the device has asked again. */
export const maxRequestAgeMs = 30_000;
/** Also how long a pump needs to notice that it is to end. */
const maxWaitTimeInSeconds = 5;
const goodbyeMs = 5_000;

export function createConsumer(options: ConsumerOptions): Consumer {
  const { connectionString, consumerGroup, checkpoints, clock, log, onMessages } = options;
  const { takeoverMs = 15_000, checkpointEveryMs = 5_000 } = options;
  const clientOptions: EventHubConsumerClientOptions = {
    // A partition that cannot be read is given back and claimed anew, which is better than a long wait for it.
    retryOptions: { retryDelayInMs: 200, maxRetries: 2 },
    loadBalancingOptions: {
      strategy: 'greedy',
      updateIntervalInMs: takeoverMs / 5,
      partitionOwnershipExpirationIntervalInMs: takeoverMs,
    },
  };
  const client =
    checkpoints === undefined
      ? new EventHubConsumerClient(consumerGroup, connectionString, clientOptions)
      : new EventHubConsumerClient(
          consumerGroup,
          connectionString,
          new BlobCheckpointStore(checkpoints),
          clientOptions,
        );
  const checkpointed = new Map<string, number>();
  let subscription: Subscription | undefined;
  let trouble: string | null = null;

  function messageOf({ systemProperties, body, enqueuedTimeUtc }: ReceivedEventData): DeviceMessage[] {
    const deviceId: unknown = systemProperties?.[deviceIdProperty];
    // Such as the hub's own events, or a body that is no bytes.
    if (typeof deviceId !== 'string' || !(body instanceof Uint8Array)) return [];
    return [{ deviceId, body, enqueuedMs: enqueuedTimeUtc.getTime() }];
  }

  return {
    start() {
      subscription = client.subscribe(
        {
          async processEvents(events, context) {
            const { partitionId } = context;
            trouble = null;
            await onMessages(events.flatMap(messageOf));
            const last = events.at(-1);
            const nowMs = clock.now();
            if (last === undefined || checkpoints === undefined) return;
            if (nowMs - (checkpointed.get(partitionId) ?? 0) < checkpointEveryMs) return;
            checkpointed.set(partitionId, nowMs);
            await context
              .updateCheckpoint(last)
              .catch((error: unknown) =>
                log.info('a checkpoint was not written; the next one will be', { partitionId, error }),
              );
          },
          async processError(error, { partitionId }) {
            if (trouble === null)
              log.warn('the events of devices cannot be read for now', { partitionId, error });
            trouble = 'the events of devices cannot be read';
          },
        },
        {
          // Where there is no checkpoint: what was asked just before we could read it still waits for its answer, and what is older
          // has been asked again since.
          startPosition: { enqueuedOn: clock.now() - maxRequestAgeMs },
          skipParsingBodyAsJson: true,
          maxBatchSize: 200,
          maxWaitTimeInSeconds,
        },
      );
    },
    async stop() {
      // The goodbye gives the partitions back, which takes a storage that is away a long time.
      const { promise, resolve } = Promise.withResolvers<void>();
      const cancel = clock.after(goodbyeMs, resolve);
      const goodbye = (subscription?.close() ?? Promise.resolve()).finally(() => client.close());
      goodbye.then(
        () => resolve(),
        () => resolve(),
      );
      await promise;
      cancel();
    },
    get trouble() {
      return trouble;
    },
  };
}
