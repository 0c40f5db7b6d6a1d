/** The firmware updater in a process of its own, and the packs that it is to bring. */
import { randomUUID } from 'node:crypto';
import { ContainerClient } from '@azure/storage-blob';
import { createFirmwareUpdater } from '../../backend/services/firmware-updater/firmware-updater.ts';
import { createPack, storePack } from '../../backend/services/firmware-updater/testing/pack.ts';
import { createObjects } from '../../backend/shared/blobs.ts';
import { systemClock } from '../../backend/shared/clock.ts';
import { type Database, openDatabase } from '../../backend/shared/database/connect.ts';
import { ensureIndexes } from '../../backend/shared/database/indexes.ts';
import { collectSeldom } from '../../backend/shared/heap.ts';
import { createHub } from '../../backend/shared/hub.ts';
import { createLog } from '../../backend/shared/log.ts';
import { createMetrics } from '../../backend/shared/metrics.ts';
import { createTracing } from '../../backend/shared/tracing.ts';
import { trustAuthority } from '../../backend/shared/trust.ts';
import { answerRequests } from '../processes.ts';
import type { HubAddress } from './hub-process.ts';

type Request =
  | { kind: 'start'; hub: HubAddress; databaseUri: string }
  | { kind: 'assign'; bytes: number; frameSize: number };

/** What the agent is offered. */
export type Assigned = { transferId: string; frameSize: number; manifest: { digest: string; size: number } };

const deviceId = 'bench-agent';
let database: Database;
let objects: ReturnType<typeof createObjects>;

answerRequests(async (request: Request) => (request.kind === 'start' ? start(request) : assign(request)));

async function start({ hub, databaseUri }: Extract<Request, { kind: 'start' }>): Promise<void> {
  collectSeldom();
  trustAuthority(hub.caPem);
  database = openDatabase({ uri: databaseUri, name: 'bench', appName: 'bench' });
  objects = createObjects({ connectionString: hub.storage });
  const checkpoints = new ContainerClient(hub.storage, 'checkpoints');
  const updater = createFirmwareUpdater({
    replicaId: randomUUID(),
    async prepare() {
      await ensureIndexes(database.db);
      await Promise.all([objects.prepare(), checkpoints.createIfNotExists()]);
    },
    database,
    objects,
    hub: createHub({ connectionString: hub.owner, caPem: hub.caPem }),
    hubConnectionString: hub.service,
    caPem: hub.caPem,
    events: { connectionString: hub.events, consumerGroup: 'firmware-updater', checkpoints },
    policy: {
      hub: null,
      shares: { ratePercent: 80, dailyPercent: 50 },
      messagesPerMinute: null,
      frameUnitsPerDay: null,
    },
    clock: systemClock,
    random: Math.random,
    log: createLog({ service: 'bench', level: 'warn', write: (line) => console.error(line) }),
    metrics: createMetrics({ service: 'bench' }),
    tracing: createTracing({ service: 'bench' }),
  });
  await updater.start();
}

/** What the API would have written, without the offer: the agent is told by us. */
async function assign({ bytes, frameSize }: Extract<Request, { kind: 'assign' }>): Promise<Assigned> {
  const pack = createPack(bytes);
  await storePack(objects, pack);
  await database.collections.assignments.updateMany({ deviceId, goesOn: true }, { $set: { goesOn: false } });
  const transferId = randomUUID();
  const now = new Date();
  const nothing = { fallbackPackId: null, fallback: null, cancel: null, progress: null, result: null };
  await database.collections.assignments.insertOne({
    ...nothing,
    _id: randomUUID(),
    deviceId,
    packId: randomUUID(),
    manifest: pack.manifest,
    title: 'A benchmark',
    transferId,
    frameSize,
    state: 'waiting',
    stateTime: now,
    goesOn: true,
    notBefore: null,
    notAfter: null,
    createTime: now,
    creator: 'bench',
    traceParent: '',
  });
  const { digest, size } = pack.manifest;
  return { transferId, frameSize, manifest: { digest, size } };
}
