/** The firmware updater as a process of its own. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { ContainerClient } from '@azure/storage-blob';
import { createObjects } from '../../shared/blobs.ts';
import { systemClock } from '../../shared/clock.ts';
import { openDatabase } from '../../shared/database/connect.ts';
import { ensureIndexes } from '../../shared/database/indexes.ts';
import { collectSeldom } from '../../shared/heap.ts';
import { createHub } from '../../shared/hub.ts';
import { createLog } from '../../shared/log.ts';
import { createMetrics } from '../../shared/metrics.ts';
import { hubPolicyOf } from '../../shared/quota/hub-settings.ts';
import { runService } from '../../shared/run-service.ts';
import { printable, readSettings } from '../../shared/settings.ts';
import { createTracing } from '../../shared/tracing.ts';
import { trustAuthority } from '../../shared/trust.ts';
import { createFirmwareUpdater } from './firmware-updater.ts';
import { shape } from './settings.ts';

collectSeldom();
const service = 'firmware-updater';
const settings = readSettings(process.env, shape);
const policy = hubPolicyOf(settings);
const log = createLog({ service, level: settings.logLevel });
log.info('starting', { settings: printable(shape, settings) });

const caPem = settings.caFile === undefined ? undefined : readFileSync(settings.caFile, 'utf8');
if (caPem !== undefined) trustAuthority(caPem);
const { collector: endpoint, storageConnectionString, hubConnectionString } = settings;
const metrics = createMetrics({ service, ofProcess: true });
const tracing = createTracing({ service, ...(endpoint !== undefined && { endpoint }) });
const database = openDatabase({ uri: settings.databaseUri, name: settings.databaseName, appName: service });
const hub = createHub({ connectionString: hubConnectionString, caPem });

const checkpoints = new ContainerClient(storageConnectionString, settings.checkpointContainer);
const updater = createFirmwareUpdater({
  replicaId: randomUUID(),
  async prepare() {
    await ensureIndexes(database.db);
    await checkpoints.createIfNotExists();
  },
  database,
  objects: createObjects({ connectionString: storageConnectionString }),
  hub,
  hubConnectionString,
  caPem,
  events: {
    connectionString: settings.eventsConnectionString,
    consumerGroup: settings.consumerGroup,
    checkpoints,
  },
  takeoverMs: settings.takeoverMs,
  policy,
  cacheBytes: settings.cacheMebibytes * 1024 * 1024,
  clock: systemClock,
  random: Math.random,
  log,
  metrics,
  tracing,
});

await runService({
  service: updater,
  metrics,
  log,
  health: { host: settings.healthHost, port: settings.healthPort },
  graceMs: settings.graceMs,
  closeLast: [() => tracing.stop(), () => database.close(), async () => hub.close()],
  process,
});
