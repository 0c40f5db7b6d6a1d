/** Everything the updater works with, real and local, for tests; and the operator's side of it. */
import { randomUUID } from 'node:crypto';
import type { TestContext } from 'node:test';
import { ContainerClient } from '@azure/storage-blob';
import { create } from '@bufbuild/protobuf';
import { ConfigurationSchema } from '@iotdh/proto/bus/v1';
import { Long } from 'mongodb';
import { createObjects } from '../../../shared/blobs.ts';
import { systemClock } from '../../../shared/clock.ts';
import type { AssignmentDocument, OrderDocument } from '../../../shared/database/collections.ts';
import { appendOrder, type NewOrder } from '../../../shared/database/orders.ts';
import { createHub } from '../../../shared/hub.ts';
import { createLog } from '../../../shared/log.ts';
import { offerOf } from '../../../shared/messages/offer.ts';
import { createMetrics, type Metrics } from '../../../shared/metrics.ts';
import type { HubPolicy } from '../../../shared/quota/hub-settings.ts';
import type { Service } from '../../../shared/service.ts';
import { testDatabase } from '../../../shared/testing/test-database.ts';
import { testHubWithBlobs } from '../../../shared/testing/test-hub.ts';
import { createTracing } from '../../../shared/tracing.ts';
import { createFirmwareUpdater, type FirmwareUpdaterOptions } from '../firmware-updater.ts';
import { type Device, openDevice } from './device.ts';
import { createPack, storePack, type TestPack } from './pack.ts';

export type Rig = Awaited<ReturnType<typeof createRig>>;

/** A hub without limits, as the tests have one unless they say otherwise. */
export const unlimited: HubPolicy = {
  hub: null,
  shares: { ratePercent: 80, dailyPercent: 50 },
  messagesPerMinute: null,
  frameUnitsPerDay: null,
};

export type Running = { service: Service; metrics: Metrics };

/** Everything that was started stops at once, and before the hub, whose own end is registered after this one. */
function createCleanups(t: TestContext): (() => Promise<unknown>)[] {
  const cleanups: (() => Promise<unknown>)[] = [];
  t.after(async () => {
    await Promise.all(cleanups.map((cleanup) => cleanup()));
  });
  return cleanups;
}

export async function createRig(t: TestContext, hubOptions: Parameters<typeof testHubWithBlobs>[1] = {}) {
  const cleanups = createCleanups(t);
  const hub = await testHubWithBlobs(t, { consumerGroups: ['firmware-updater', 'second'], ...hubOptions });
  const objects = createObjects({ connectionString: hub.storageConnectionString });
  const checkpoints = new ContainerClient(hub.storageConnectionString, 'test-checkpoints');
  const [database] = await Promise.all([testDatabase(t), objects.prepare(), checkpoints.create()]);
  const { transact, collections } = database;
  const lines: string[] = [];
  const events: FirmwareUpdaterOptions['events'] = {
    connectionString: hub.eventHubConnectionString(),
    consumerGroup: 'firmware-updater',
    checkpoints,
  };

  async function addDevice(deviceId: string): Promise<void> {
    await hub.deviceConnectionString(deviceId);
    await collections.devices.insertOne({
      _id: deviceId,
      displayName: '',
      site: '',
      labels: {},
      connectivity: 'awaited',
      lastSeenTime: null,
      report: null,
      reportOrder: null,
      commandSequence: Long.ZERO,
      enrolment: null,
      createTime: new Date(),
      retireTime: null,
      retireReason: '',
      revision: Long.ONE,
    });
  }

  const order = (given: Omit<NewOrder, 'now' | 'traceParent'>): Promise<OrderDocument> =>
    transact((session) => appendOrder(session, collections, { traceParent: '', ...given, now: new Date() }));

  return {
    hub,
    database,
    collections,
    objects,
    lines,
    addDevice,
    /** For the updater as a process of its own. */
    environment: {
      MONGODB_URI: database.uri,
      MONGODB_DATABASE: database.name,
      IOTHUB_CONNECTION_STRING: hub.connectionString('iothubowner'),
      IOTHUB_EVENTS_CONNECTION_STRING: hub.eventHubConnectionString(),
      IOTHUB_CA_FILE: hub.caPath,
      AZURE_STORAGE_CONNECTION_STRING: hub.storageConnectionString,
    },
    events,
    /** An order that changes nothing on the device. */
    configure: (deviceId: string): Promise<OrderDocument> =>
      order({
        deviceId,
        kind: 'configure',
        assignmentId: '',
        payload: { case: 'configuration', value: create(ConfigurationSchema, { frameWindow: 32 }) },
      }),
    /** Connects a device. */
    async connect(deviceId: string): Promise<Device> {
      const device = await openDevice(hub, deviceId);
      cleanups.push(device.close);
      return device;
    },
    order,
    /** A pack of one object of so many bytes, stored. */
    async addPack(bytes: number): Promise<TestPack> {
      const pack = createPack(bytes);
      await storePack(objects, pack);
      return pack;
    },
    /** What the API does: an assignment, and the order to offer it. */
    async assign(
      deviceId: string,
      { manifest }: TestPack,
      { frameSize = 4_096, title = 'A test' } = {},
    ): Promise<AssignmentDocument> {
      const assignment: AssignmentDocument = {
        _id: randomUUID(),
        deviceId,
        packId: randomUUID(),
        fallbackPackId: null,
        manifest,
        fallback: null,
        title,
        transferId: randomUUID(),
        frameSize,
        state: 'waiting',
        stateTime: new Date(),
        goesOn: true,
        cancel: null,
        progress: null,
        result: null,
        notBefore: null,
        notAfter: null,
        createTime: new Date(),
        creator: 'a test',
        traceParent: '',
      };
      await collections.assignments.insertOne(assignment);
      await order({ deviceId, kind: 'offer', assignmentId: assignment._id, ...offerOf(assignment, []) });
      return assignment;
    },
    async cancel({ _id: assignmentId, deviceId }: AssignmentDocument): Promise<OrderDocument> {
      const cancel = { reason: 'a test', time: new Date() };
      await collections.assignments.updateOne({ _id: assignmentId }, { $set: { cancel } });
      const value = { $typeName: 'iotdh.bus.v1.Cancel' as const, assignmentId, reason: 'a test' };
      return order({
        deviceId,
        kind: 'cancel',
        assignmentId,
        payload: { case: 'cancel', value },
        pointer: null,
      });
    },
    /** Resolves once no order is due. */
    async settled(): Promise<void> {
      while ((await collections.orders.countDocuments({ state: 'due' })) > 0) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    /** What the device's twin points at. */
    pointer: (deviceId: string): unknown => hub.engine.twins.get(deviceId).properties.desired.assignment,
    /** Starts a replica, which stops after the test. */
    async start(changes: Partial<FirmwareUpdaterOptions> = {}): Promise<Running> {
      const metrics = createMetrics({ service: 'firmware-updater' });
      const api = createHub({ connectionString: hub.connectionString(), caPem: hub.caPem });
      const service = createFirmwareUpdater({
        replicaId: randomUUID(),
        prepare: async () => {},
        database,
        objects,
        hub: api,
        hubConnectionString: hub.connectionString('service'),
        caPem: hub.caPem,
        events,
        policy: unlimited,
        clock: systemClock,
        random: Math.random,
        log: createLog({ service: 'firmware-updater', write: (line) => void lines.push(line) }),
        metrics,
        tracing: createTracing({ service: 'firmware-updater' }),
        takeoverMs: 1_000,
        ...changes,
        quick: { backoff: { baseMs: 50, maxMs: 400 }, leaseMs: 6_000, ...changes.quick },
      });
      await service.start();
      cleanups.push(async () => {
        await service.stop();
        api.close();
      });
      return { service, metrics };
    },
  };
}
