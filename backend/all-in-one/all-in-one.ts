/** Every service of the backend in one process, for a laptop. Each keeps its own log, measurements and health. */
import { randomUUID } from 'node:crypto';
import { ContainerClient } from '@azure/storage-blob';
import { createApi } from '../services/api/api.ts';
import { openKeyFolder } from '../services/api/trust/online-keys.ts';
import { createAuthBroker } from '../services/auth-broker/auth-broker.ts';
import { openAuthority } from '../services/auth-broker/authority.ts';
import { createD2cListener } from '../services/d2c-listener/d2c-listener.ts';
import { createFirmwareUpdater } from '../services/firmware-updater/firmware-updater.ts';
import { createObjects } from '../shared/blobs.ts';
import { systemClock } from '../shared/clock.ts';
import { openDatabase } from '../shared/database/connect.ts';
import { ensureIndexes } from '../shared/database/indexes.ts';
import { type Health, serveHealth } from '../shared/health.ts';
import { createHub, parseHubConnectionString } from '../shared/hub.ts';
import { createLog, type LogOptions } from '../shared/log.ts';
import { createMetrics } from '../shared/metrics.ts';
import { createOperators, readOperatorTokens } from '../shared/operators.ts';
import { hubPolicyOf } from '../shared/quota/hub-settings.ts';
import { readTlsFiles } from '../shared/rpc/tls-files.ts';
import type { Service } from '../shared/service.ts';
import type { Settings } from '../shared/settings.ts';
import { createTracing } from '../shared/tracing.ts';
import type { shape } from './settings.ts';

export type AllInOneOptions = {
  settings: Settings<typeof shape>;
  /** The authority of the hub and the storage account, beside those that the process trusts. */
  caPem: string | undefined;
  /** Takes the lines of all logs. Default: standard output. */
  write?: LogOptions['write'];
};

export type AllInOne = {
  /** Resolves once all of them have started. */
  start(): Promise<void>;
  /** Stops what was started, the ones that others call first. Idempotent. */
  stop(): Promise<void>;
  /** Where each service answers /healthz, /readyz and /metrics; after `start`. */
  readonly health: Readonly<Record<string, string>>;
  readonly apiUrl: string;
  readonly brokerUrl: string;
};

/** Throws when a file that the settings name cannot be read. */
export async function createAllInOne({ settings, caPem, write }: AllInOneOptions): Promise<AllInOne> {
  const { hubConnectionString, storageConnectionString, eventsConnectionString, otlpEndpoint } = settings;
  const database = openDatabase({
    uri: settings.databaseUri,
    name: settings.databaseName,
    appName: 'all-in-one',
  });
  const hub = createHub({ connectionString: hubConnectionString, caPem });
  const objects = createObjects({ connectionString: storageConnectionString });
  const operators = createOperators(readOperatorTokens(settings.operatorTokenFile));
  const tls = readTlsFiles(settings);
  const clock = systemClock;
  const policy = hubPolicyOf(settings);
  const tracings: ReturnType<typeof createTracing>[] = [];

  /** What each service has for itself. */
  function own(service: string) {
    const tracing = createTracing({ service, ...(otlpEndpoint !== undefined && { endpoint: otlpEndpoint }) });
    tracings.push(tracing);
    const log = createLog({ service, level: settings.logLevel, ...(write && { write }) });
    return { log, tracing, metrics: createMetrics({ service }) };
  }

  const forListener = own('d2c-listener');
  const forUpdater = own('firmware-updater');
  const forApi = own('api');
  const forBroker = own('auth-broker');
  const listener = createD2cListener({
    ...forListener,
    database,
    clock,
    events: { connectionString: eventsConnectionString, consumerGroup: 'd2c-listener' },
    checkpoints: { connectionString: storageConnectionString },
  });
  const checkpoints = new ContainerClient(storageConnectionString, 'checkpoints');
  const updater = createFirmwareUpdater({
    ...forUpdater,
    database,
    clock,
    objects,
    hub,
    hubConnectionString,
    caPem,
    replicaId: randomUUID(),
    random: Math.random,
    async prepare() {
      await ensureIndexes(database.db);
      await checkpoints.createIfNotExists();
    },
    events: { connectionString: eventsConnectionString, consumerGroup: 'firmware-updater', checkpoints },
    policy,
  });
  const served = { database, objects, hub, operators, clock, ...(tls && { tls }) };
  const onlineKeys = openKeyFolder(settings.trustKeyFolder);
  const api = createApi({ ...forApi, ...served, policy, onlineKeys, port: settings.apiPort });
  const broker = createAuthBroker({
    ...forBroker,
    ...served,
    port: settings.brokerPort,
    hubHost: settings.hubHost ?? parseHubConnectionString(hubConnectionString).host,
    authority: await openAuthority(settings.authorityFile, clock.now(), {
      deviceDays: settings.certificateDays,
    }),
  });

  // What devices and people call starts last and stops first.
  const parts: { service: Service; metrics: ReturnType<typeof createMetrics>; port: number }[] = [
    { service: listener, metrics: forListener.metrics, port: settings.listenerHealthPort },
    { service: updater, metrics: forUpdater.metrics, port: settings.updaterHealthPort },
    { service: broker, metrics: forBroker.metrics, port: settings.brokerHealthPort },
    { service: api, metrics: forApi.metrics, port: settings.apiHealthPort },
  ];
  const healths = new Map<string, Health>();
  let stopped: Promise<void> | undefined;

  async function end(): Promise<void> {
    for (const { service } of parts.toReversed()) {
      healths.get(service.name)?.drain();
      await service.stop();
      await healths.get(service.name)?.stop();
    }
    await Promise.all(tracings.map((tracing) => tracing.stop()));
    await database.close();
    hub.close();
  }

  return {
    async start() {
      for (const { service, metrics, port } of parts) {
        healths.set(service.name, await serveHealth({ service, metrics, port }));
        await service.start();
      }
    },
    stop() {
      stopped ??= end();
      return stopped;
    },
    get health() {
      return Object.fromEntries([...healths].map(([name, { url }]) => [name, url]));
    },
    get apiUrl() {
      return api.url;
    },
    get brokerUrl() {
      return broker.url;
    },
  };
}
