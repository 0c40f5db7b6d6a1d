/** A hub, a database and listeners between them, all real, for tests. */
import { randomUUID } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import type { TestContext } from 'node:test';
import type { DeviceToCloud } from '@iotdh/proto/bus/v1';
import { systemClock } from '../../../shared/clock.ts';
import { openDatabase } from '../../../shared/database/connect.ts';
import { silentLog } from '../../../shared/log.ts';
import { createMetrics } from '../../../shared/metrics.ts';
import type { Service } from '../../../shared/service.ts';
import { testDatabase } from '../../../shared/testing/test-database.ts';
import { type TestDevice, testDevice, testHubWithBlobs } from '../../../shared/testing/test-hub.ts';
import { createTracing, type TracingOptions } from '../../../shared/tracing.ts';
import { createD2cListener, type D2cListenerOptions } from '../d2c-listener.ts';
import { deviceDocument, encode } from './samples.ts';

export const consumerGroup = 'd2c-listener';

/** Partitions change hands within a second or two. */
export const quick = {
  loadBalancing: {
    strategy: 'greedy' as const,
    updateIntervalInMs: 300,
    partitionOwnershipExpirationIntervalInMs: 2_000,
  },
  retry: { firstMs: 20, longestMs: 100 },
  claimMs: 500,
  graceMs: 5_000,
};

export type Listener = {
  service: Service;
  metrics: ReturnType<typeof createMetrics>;
  /** Resolves once `condition` holds, which is asked after each commit. */
  until(condition: () => Promise<boolean>): Promise<void>;
};

export async function createRig(
  t: TestContext,
  options: { deviceIds?: readonly string[]; uri?: string } = {},
) {
  const { deviceIds = ['d1'] } = options;
  // First, because what is registered first is run first: listeners end before what they stand on.
  const opened: (() => Promise<void>)[] = [];
  t.after(async () => {
    for (const close of opened.toReversed()) await close();
  });
  const [hub, database] = await Promise.all([
    testHubWithBlobs(t, { consumerGroups: [consumerGroup], partitions: 2 }),
    testDatabase(t, options.uri),
  ]);
  const { collections } = database;
  await collections.devices.insertMany(deviceIds.map((id) => deviceDocument(id)));
  const container = `checkpoints-${randomUUID()}`;
  const warnings = new EventEmitter();
  const devices = new Map<string, TestDevice>();

  async function deviceOf(deviceId: string): Promise<TestDevice> {
    const device = devices.get(deviceId) ?? (await testDevice(hub, deviceId));
    devices.set(deviceId, device);
    return device;
  }

  async function startListener(
    changes: Partial<D2cListenerOptions> & Pick<TracingOptions, 'processors'> & { uri?: string } = {},
  ): Promise<Listener> {
    const { uri = database.uri, processors, ...options } = changes;
    const own = openDatabase({
      uri,
      name: database.name,
      appName: 'listener',
      serverSelectionTimeoutMs: 2_000,
    });
    const metrics = createMetrics({ service: 'd2c-listener' });
    const watching = new Set<() => void>();
    const service = createD2cListener({
      database: own,
      events: {
        connectionString: hub.eventHubConnectionString(),
        consumerGroup,
        loadBalancing: quick.loadBalancing,
      },
      checkpoints: { connectionString: hub.storageConnectionString, container },
      log: { ...silentLog, warn: (message) => void warnings.emit(message) },
      metrics,
      tracing: createTracing({ service: 'd2c-listener', ...(processors && { processors }) }),
      clock: systemClock,
      retry: quick.retry,
      claimMs: quick.claimMs,
      graceMs: quick.graceMs,
      failPoints: {
        async committed() {
          for (const look of watching) look();
        },
      },
      ...options,
    });
    opened.push(own.close, service.stop);
    await service.start();
    return {
      service,
      metrics,
      until: (condition) =>
        new Promise((resolve, reject) => {
          const look = () => {
            condition().then((holds) => {
              if (!holds) return;
              watching.delete(look);
              resolve();
            }, reject);
          };
          watching.add(look);
          look();
        }),
    };
  }

  return {
    hub,
    database,
    collections,
    container,
    startListener,
    /** Resolves once a listener says that the database is away. */
    async troubled(): Promise<void> {
      await once(warnings, 'the database is away; events wait in the hub');
    },
    /** Sends bytes as the device. */
    async sendBytes(deviceId: string, bytes: Buffer, messageId = ''): Promise<void> {
      await (await deviceOf(deviceId)).send(bytes, messageId);
    },
    async send(deviceId: string, ...messages: DeviceToCloud[]): Promise<void> {
      for (const message of messages) await this.sendBytes(deviceId, encode(message), message.messageId);
    },
  };
}

export type Rig = Awaited<ReturnType<typeof createRig>>;
