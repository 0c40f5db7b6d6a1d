/**
 * The D2C Listener: reads the partitions of the hub's built-in Event Hubs endpoint, stores what devices say in MongoDB, and only
 * then moves its checkpoint. Replicas share the partitions; what one had not checkpointed the next reads again and recognises.
 */
import {
  EventHubConsumerClient,
  type EventHubConsumerClientOptions,
  earliestEventPosition,
  type PartitionContext,
  type ReceivedEventData,
  type Subscription,
} from '@azure/event-hubs';
import { BlobCheckpointStore } from '@azure/eventhubs-checkpointstore-blob';
import { ContainerClient } from '@azure/storage-blob';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../shared/clock.ts';
import type { Database } from '../../shared/database/connect.ts';
import { ensureIndexes } from '../../shared/database/indexes.ts';
import type { Log } from '../../shared/log.ts';
import type { Metrics } from '../../shared/metrics.ts';
import type { Service } from '../../shared/service.ts';
import { failSpan, type Tracing, traceParentOf } from '../../shared/tracing.ts';
import { createReadIncoming, type Incoming } from './incoming.ts';
import { createMeasurements } from './measurements.ts';
import { createPartitionStore, Interrupted, pauseUnless } from './partition-store.ts';
import { describe } from './surroundings.ts';
import { createTelemetryUse } from './telemetry-use.ts';

export type D2cListenerOptions = {
  database: Database;
  events: {
    /** Of the built-in Event Hubs endpoint. */
    connectionString: string;
    /** One for all replicas of this service, and for nobody else. */
    consumerGroup: string;
    /** Events in a batch at most. Default 256. */
    maxBatchSize?: number;
    /** How replicas share the partitions. Default: `eager` after 15 s. */
    loadBalancing?: EventHubConsumerClientOptions['loadBalancingOptions'];
  };
  checkpoints: {
    /** Of the storage account. */
    connectionString: string;
    /** Default `checkpoints`. */
    container?: string;
  };
  log: Log;
  metrics: Metrics;
  tracing: Tracing;
  clock: Clock;
  /** How long `stop` waits for what is being stored, ms. Default 20 s. */
  graceMs?: number;
  /** Pauses while something is away, ms. */
  retry?: { firstMs: number; longestMs: number };
  /** How long another replica that claimed measurements may be about to store them, ms. Default 5 s. */
  claimMs?: number;
  /** Points at which a test ends the process. */
  failPoints?: { committed?: (partitionId: string) => Promise<void> };
};

/**
 * Takes all partitions that are free at once, and those of a replica that has been silent for so long. The SDK's own way claims one
 * every 10 s and waits a minute for a dead replica: devices would seem silent.
 */
export const eager = (takeoverMs: number) => ({
  strategy: 'greedy' as const,
  updateIntervalInMs: takeoverMs / 5,
  partitionOwnershipExpirationIntervalInMs: takeoverMs,
});

/** The SDK's own pause between tries is half a minute, in which a client that is closed meanwhile still keeps its process alive. */
const reopening = { retryDelayInMs: 200, maxRetries: 2 } as const;

/** Messages whose measurements this process remembers as stored, so that one sent twice costs no query. */
const rememberedMessages = 20_000;
const maxAttempts = 3;

export function createD2cListener(options: D2cListenerOptions): Service {
  const { database, events, checkpoints, log, metrics, tracing, clock } = options;
  const { retry = { firstMs: 200, longestMs: 10_000 }, graceMs = 20_000, failPoints = {} } = options;
  const measurements = createMeasurements(metrics);
  const read = createReadIncoming();
  const stopping = new AbortController();
  /** Ends what waits, once the time of grace is over. */
  const hurry = new AbortController();
  const working = new Set<Promise<void>>();
  const owned = new Map<string, AbortController>();
  let trouble: string | null = 'it has not started';
  let consumer: EventHubConsumerClient | undefined;
  let subscription: Subscription | undefined;
  let starting: Promise<void> = Promise.resolve();
  let stopped: Promise<void> | undefined;

  const store = createPartitionStore({
    database,
    clock,
    log,
    retry,
    maxAttempts,
    store: {
      database,
      now: clock.now,
      onConflict: measurements.conflict,
      points: {
        claimMs: options.claimMs ?? 5_000,
        mine: new LRUCache<string, 'claimed' | 'stored'>({ max: rememberedMessages }),
        now: clock.now,
      },
    },
    onTrouble(reason) {
      if (reason !== null) measurements.failed('database');
      trouble = reason;
    },
  });

  const telemetryUse = createTelemetryUse({ collection: database.collections.telemetryUse, clock, log });

  /** Begins a span for each message that belongs to a trace, which goes on from the device's. */
  function spansOf(batch: readonly Incoming[]) {
    const messages = batch.flatMap((incoming) => (incoming.kind === 'message' ? [incoming] : []));
    const traced = messages.filter(({ message }) => message.traceParent !== '');
    const whole = tracing.startSpan('d2c-listener store batch', {
      kind: 'consumer',
      attributes: { 'messaging.batch.message_count': batch.length },
      links: traced.map(({ message }) => message.traceParent),
    });
    const each = traced.map(({ message, deviceId }) =>
      tracing.startSpan(`d2c-listener store ${message.payload.case}`, {
        kind: 'consumer',
        traceParent: message.traceParent,
        attributes: { 'iotdh.device_id': deviceId, 'messaging.message.id': message.messageId },
        links: [traceParentOf(whole)],
      }),
    );
    return [...each, whole];
  }

  async function take(received: ReceivedEventData[], context: PartitionContext): Promise<void> {
    const last = received.at(-1);
    if (last === undefined || stopping.signal.aborted) return;
    const { partitionId } = context;
    const lost = owned.get(partitionId)?.signal;
    const signal = AbortSignal.any([hurry.signal, ...(lost === undefined ? [] : [lost])]);
    const batch = received.map((event) => read(event, partitionId));
    for (const [index, incoming] of batch.entries()) {
      const bytes = bodyLength(received[index]?.body);
      if (incoming.kind !== 'connection') telemetryUse.count(bytes, incoming.enqueuedTime);
    }
    for (const incoming of batch) measurements.arrived(incoming);
    const spans = spansOf(batch);
    const begin = clock.now();
    try {
      const stored = await store(batch, signal);
      measurements.stored(partitionId, batch.length, (clock.now() - begin) / 1000, stored);
      for (const { _id, deviceId, reason } of stored.setAside)
        log.warn('a message is set aside', { position: _id, deviceId, reason });
      await failPoints.committed?.(partitionId);
      // A checkpoint of somebody else's partition could only be older than theirs.
      if (lost?.aborted !== true) await context.updateCheckpoint(last);
      const newest = context.lastEnqueuedEventProperties?.sequenceNumber;
      const behind = newest === undefined ? undefined : Math.max(0, newest - last.sequenceNumber);
      measurements.lag(partitionId, Math.max(0, clock.now() - last.enqueuedTimeUtc.getTime()) / 1000, behind);
      for (const span of spans) span.end();
    } catch (error) {
      for (const span of spans) failSpan(span, error);
      if (error instanceof Interrupted) return;
      // It is stored. Without its checkpoint it is read again after a restart, and recognised.
      measurements.failed('checkpoint');
      log.warn('the checkpoint was not moved', { partitionId, error });
    }
  }

  async function processEvents(received: ReceivedEventData[], context: PartitionContext): Promise<void> {
    const work = take(received, context);
    working.add(work);
    try {
      await work;
    } finally {
      working.delete(work);
    }
  }

  /** Makes what must be there, for as long as it takes. */
  async function prepare(): Promise<ContainerClient> {
    for (let attempt = 0; ; attempt += 1) {
      try {
        await ensureIndexes(database.db);
        const { connectionString, container = 'checkpoints' } = checkpoints;
        const client = new ContainerClient(connectionString, container);
        await client.createIfNotExists();
        return client;
      } catch (error) {
        if (attempt === 0) log.warn('the database or the storage account is away', { error });
        trouble = `the database or the storage account is away: ${describe(error)}`;
        const ms = Math.min(retry.longestMs, retry.firstMs * 2 ** Math.min(attempt, 20));
        await pauseUnless(clock, stopping.signal, ms);
      }
    }
  }

  async function begin(): Promise<void> {
    const container = await prepare();
    if (stopping.signal.aborted) return;
    const { consumerGroup, connectionString, maxBatchSize = 256, loadBalancing = eager(15_000) } = events;
    const checkpointStore = new BlobCheckpointStore(container);
    const client = new EventHubConsumerClient(consumerGroup, connectionString, checkpointStore, {
      loadBalancingOptions: loadBalancing,
      retryOptions: reopening,
    });
    consumer = client;
    trouble = null;
    subscription = client.subscribe(
      {
        async processInitialize({ partitionId }) {
          owned.set(partitionId, new AbortController());
          measurements.owned(owned.size);
        },
        async processClose(reason, { partitionId }) {
          if (String(reason) === 'OwnershipLost') owned.get(partitionId)?.abort();
          owned.delete(partitionId);
          measurements.owned(owned.size);
        },
        processEvents,
        async processError(error, { partitionId }) {
          measurements.failed('events');
          log.warn('the events endpoint failed; the SDK tries again', { partitionId, error });
        },
      },
      {
        startPosition: earliestEventPosition,
        maxBatchSize,
        maxWaitTimeInSeconds: 5,
        // Bodies are protobuf; the SDK would otherwise try each as JSON.
        skipParsingBodyAsJson: true,
        trackLastEnqueuedEventProperties: true,
      },
    );
  }

  async function end(): Promise<void> {
    stopping.abort();
    const cancel = clock.after(graceMs, () => hurry.abort());
    await starting.catch(() => {});
    await Promise.allSettled([...working]);
    // Gives the partitions back, which others otherwise take once they have been silent for a while.
    const left = async () => {
      await subscription?.close();
      await consumer?.close();
    };
    const late = new Promise<void>((resolve) => hurry.signal.addEventListener('abort', () => resolve()));
    await Promise.race([left(), late]).catch((error: unknown) => {
      log.warn('the partitions were not given back', { error });
    });
    await Promise.race([telemetryUse.stop(), late]);
    cancel();
    trouble = 'it has stopped';
  }

  return {
    name: 'd2c-listener',
    async start() {
      trouble = 'the database has not answered yet';
      starting = begin().catch((error: unknown) => {
        if (error instanceof Interrupted) return;
        trouble = describe(error);
        log.error('the listener cannot start', { error });
      });
    },
    stop() {
      stopped ??= end();
      return stopped;
    },
    unready: () => trouble,
  };
}

const bodyLength = (body: unknown): number =>
  body instanceof Uint8Array || typeof body === 'string' ? Buffer.byteLength(body) : 0;
