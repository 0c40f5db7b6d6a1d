/**
 * The firmware updater: carries out the orders to devices, and answers their requests for frames. Everything that goes to a
 * device goes through one pacer and one connection; everything that must last is in the database.
 */
import type { ContainerClient } from '@azure/storage-blob';
import type { Objects } from '../../shared/blobs.ts';
import type { Clock } from '../../shared/clock.ts';
import type { Database } from '../../shared/database/connect.ts';
import { createDatabaseClock } from '../../shared/database/database-clock.ts';
import type { Hub } from '../../shared/hub.ts';
import type { Log } from '../../shared/log.ts';
import type { Metrics } from '../../shared/metrics.ts';
import { hubLimits } from '../../shared/quota/hub-limits.ts';
import type { HubPolicy } from '../../shared/quota/hub-settings.ts';
import { createQuotaStore } from '../../shared/quota/quota-store.ts';
import type { Service } from '../../shared/service.ts';
import type { Tracing } from '../../shared/tracing.ts';
import { createAnswers } from './frames/answers.ts';
import { createBlocks } from './frames/blocks.ts';
import { createContents } from './frames/contents.ts';
import { createMetadataSizes } from './frames/metadata-sizes.ts';
import { createProgress } from './frames/progress.ts';
import { createTransfers } from './frames/transfers.ts';
import { createMeters } from './meters.ts';
import { createCarryOut } from './orders/carry-out.ts';
import { createClaims } from './orders/claims.ts';
import { createEndUndeliverable } from './orders/end-undeliverable.ts';
import { createOrderLoop } from './orders/order-loop.ts';
import { createOrderWatch } from './orders/order-watch.ts';
import { createBudget } from './pacing/budget.ts';
import { createPacer } from './pacing/pacer.ts';
import { createRate } from './pacing/rate.ts';
import { createConsumer } from './requests/consumer.ts';
import { createHandleMessages } from './requests/handle-messages.ts';
import { createOffers } from './requests/offers.ts';
import { createRequestReader } from './requests/read-request.ts';
import { createSender } from './sender/sender.ts';

export type FirmwareUpdaterOptions = {
  /** Another one for each process: it owns the leases. */
  replicaId: string;
  /** Makes what must exist; repeated until it succeeds. */
  prepare(): Promise<void>;
  database: Pick<Database, 'transact' | 'collections' | 'now'>;
  objects: Pick<Objects, 'read'>;
  hub: Pick<Hub, 'setDesired' | 'purge' | 'invoke'>;
  /** Of the hub, with a policy that has ServiceConnect. */
  hubConnectionString: string;
  caPem: string | undefined;
  events: { connectionString: string; consumerGroup: string; checkpoints: ContainerClient | undefined };
  /** How long after a replica died others take over, in ms. Default 15 s. */
  takeoverMs?: number;
  /** What there is of a hub, and what all replicas together may have of it. */
  policy: HubPolicy;
  /** Of the blocks of objects in memory. Default 128 MiB. */
  cacheBytes?: number;
  /** Messages in the SDK at once. Default 32. */
  maxInFlight?: number;
  clock: Clock;
  random: () => number;
  log: Log;
  metrics: Metrics;
  tracing: Pick<Tracing, 'startSpan'>;
  /** For tests that cannot wait for what is otherwise minutes. */
  quick?: {
    leaseMs?: number;
    backoff?: { baseMs: number; maxMs: number };
    commandLifetimeMs?: number;
    tellEveryMs?: number;
  };
};

const retryStartMs = 2_000;

export function createFirmwareUpdater(options: FirmwareUpdaterOptions): Service {
  const { database, objects, hub, random, log, metrics, tracing, quick = {} } = options;
  const clock = createDatabaseClock({ database, clock: options.clock, log });
  const { transact, collections } = database;
  const { backoff } = quick;
  const meters = createMeters(metrics);

  const sender = createSender({
    connectionString: options.hubConnectionString,
    caPem: options.caPem,
    clock,
    random,
    ...(backoff && { backoff }),
    onConnection(state) {
      meters.connection(state.kind);
      if (state.kind === 'waiting') log.warn('the hub is out of reach', { reason: state.reason });
      if (state.kind === 'open') log.info('connected to the hub');
    },
  });
  const { policy } = options;
  const budget = createBudget({
    ...{ replicaId: options.replicaId, policy, clock, random, log },
    store: createQuotaStore({ database, random }),
    ...(quick.tellEveryMs !== undefined && { tellEveryMs: quick.tellEveryMs }),
    onStep: meters.quota,
  });
  const rate = createRate({ perMinute: policy.hub === null ? 'off' : hubLimits(policy.hub).c2dPerMinute });
  const pacer = createPacer({
    send: (message) => sender.send(message),
    budget,
    rate,
    clock,
    ...(options.maxInFlight !== undefined && { maxInFlight: options.maxInFlight }),
    onFrame: meters.frame,
    onThrottle() {
      meters.throttled();
      log.info('the hub throttles; sending more slowly', { perMinute: rate.perMinute(clock.now()) });
    },
  });

  const transfers = createTransfers({ assignments: collections.assignments });
  const progress = createProgress({ transact, collections, clock, log });
  const blocks = createBlocks({
    objects,
    onLook: meters.look,
    ...(options.cacheBytes !== undefined && { maxBytes: options.cacheBytes }),
  });
  const contents = createContents({ objects });
  const metadataSize = createMetadataSizes(collections.metadata);
  const answerFrames = createAnswers({
    ...{ transfers, contents, metadataSize, blocks, pacer, budget, progress, clock, random, log },
  });
  const consumer = createConsumer({
    ...options.events,
    clock,
    log,
    ...(options.takeoverMs !== undefined && { takeoverMs: options.takeoverMs }),
    onMessages: createHandleMessages({
      read: createRequestReader(),
      answerFrames,
      answerOffer: createOffers({ transact, collections, clock }),
      clock,
      log,
      tracing,
      onRequest: meters.request,
    }),
  });

  const { leaseMs, commandLifetimeMs } = quick;
  const loop = createOrderLoop({
    claims: createClaims({
      orders: collections.orders,
      owner: options.replicaId,
      now: clock.now,
      ...(leaseMs !== undefined && { leaseMs }),
    }),
    carryOut: createCarryOut({
      hub,
      command: pacer.command,
      assignments: collections.assignments,
      ...(commandLifetimeMs !== undefined && { commandLifetimeMs }),
    }),
    onGivenUp: createEndUndeliverable({ transact, collections, clock }),
    clock,
    random,
    log,
    tracing,
    ...(leaseMs !== undefined && { renewMs: leaseMs / 3 }),
    ...(backoff && { backoff }),
    onOutcome: (order, outcome, lagMs) => meters.order(order.kind, outcome, lagMs),
  });
  const watch = createOrderWatch({
    orders: collections.orders,
    clock,
    onOrder({ kind, assignmentId, deviceId }) {
      if (kind === 'cancel') {
        const transferId = transfers.forget(assignmentId);
        pacer.keepOnly(deviceId, (group) => group !== transferId);
      }
      loop.wake();
    },
  });

  let started = false;
  let stopping: Promise<void> | undefined;
  let cancelRetry: (() => void) | undefined;
  async function begin(): Promise<void> {
    try {
      await options.prepare();
    } catch (error) {
      log.warn('the surroundings are not there yet', { error });
      if (stopping === undefined) cancelRetry = clock.after(retryStartMs, () => void begin());
      return;
    }
    await clock.start();
    if (stopping !== undefined) return;
    budget.start();
    consumer.start();
    loop.start();
    watch.start();
    started = true;
  }
  async function stop(): Promise<void> {
    cancelRetry?.();
    await Promise.all([consumer.stop(), watch.stop(), loop.stop()]);
    await Promise.all([pacer.stop(), progress.stop()]);
    await budget.stop();
    await sender.stop();
    clock.stop();
  }

  return {
    name: 'firmware-updater',
    start: begin,
    stop() {
      stopping ??= stop();
      return stopping;
    },
    unready() {
      if (!started) return 'the database or the storage has not answered yet';
      if (sender.state.kind === 'waiting') return 'the hub is out of reach';
      return consumer.trouble ?? loop.trouble;
    },
  };
}
