/**
 * A local IoT Hub as an object: for tests and for programs that embed it. It owns what outlives a restart: the data
 * directory, the certificates, the ports and the admin token.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { secretMode, writeAtomically } from './atomic-file.ts';
import { startAzurite } from './azurite.ts';
import { type Certificates, openCertificates } from './certificates.ts';
import {
  deviceConnectionString,
  eventHubConnectionString,
  serviceConnectionString,
} from './connection-strings.ts';
import { type Log, silentLog } from './diagnostics.ts';
import type { Provisioning } from './dps/provisioning.ts';
import type { BlobStorageSettings } from './engine/blob-storage.ts';
import { type Clock, createSystemClock } from './engine/clock.ts';
import type { Engine, EngineSettings } from './engine/engine.ts';
import type { Faults } from './engine/faults.ts';
import type { SharedAccessPolicy } from './engine/policies.ts';
import type { Sku } from './engine/throttles.ts';
import { type Hub, type HubOptions, startHub } from './hub.ts';
import { openStore } from './store/open-store.ts';
import type { Store } from './store/store.ts';

export type LocalHubOptions = {
  /** Where everything is kept. Without it the hub lives in memory, and its certificates in a temporary folder. */
  dataDir?: string;
  /** With a data directory: keep the certificates there, but everything else in memory only. Default false. */
  inMemory?: boolean;
  /** TLS port or ports; 0, the default, lets the system choose. */
  port?: number | readonly number[];
  /** The plain AMQP port for Event Hubs clients; 0, the default, lets the system choose; `off` opens none. */
  amqpPort?: number | 'off';
  /** The address to bind. Default `localhost`, which is both loopback addresses. */
  address?: string;
  /** Names beside localhost that clients use; the first becomes the hub's own name. */
  hostNames?: readonly string[];
  /** Whose limits and throttles apply. Default `S1`; `off` for none. */
  sku?: Sku | 'off';
  /** Default 1. */
  units?: number;
  /** Partitions of the Event Hubs compatible endpoint, fixed at the first start. Default 4. */
  partitions?: number;
  /** Beside `$Default`. */
  consumerGroups?: readonly string[];
  /** For file uploads: the connection string of a storage account, or Azurite, run on this port (0: the system chooses). */
  storage?: { connectionString: string } | { azuritePort: number };
  /** Connections per port and address. Default 20,000. */
  maxConnections?: number;
  /** How long a client may take for its TLS handshake, and then for its first byte, ms. Default 10 s. */
  firstByteMs?: number;
  /** More of the engine's settings. */
  engine?: Omit<EngineSettings, 'hostName' | 'throttles' | 'storage' | 'authorities'>;
  clock?: Clock;
  /** Default: silent. */
  log?: Log;
};

export type LocalHub = {
  /** HostName in connection strings: `localhost:PORT`, or `localhost` when 443 is one of the ports. */
  readonly hostName: string;
  /** The first TLS port. */
  readonly port: number;
  readonly ports: readonly number[];
  /** The plain AMQP port; undefined when it is off. */
  readonly amqpPort: number | undefined;
  /** The authority that clients must trust, and where it is on disk. */
  readonly caPem: string;
  readonly caPath: string;
  /** Issues certificates for devices. */
  readonly certificates: Certificates;
  /** For services. `policy` is iothubowner (default), service, device, registryRead or registryReadWrite. */
  connectionString(policy?: string): string;
  /** For Event Hubs clients: over the plain port, or over TLS when that is off or `tls` is true. */
  eventHubConnectionString(options?: { tls?: boolean }): string;
  /** For a device, which is registered if it is not yet. */
  deviceConnectionString(deviceId: string): Promise<string>;
  /** The connection string of the storage account, when there is one. */
  readonly storageConnectionString: string | undefined;
  /** The name of the Event Hubs compatible endpoint. */
  readonly eventHubName: string;
  /** The bearer token of the admin API. */
  readonly adminToken: string;
  /** The engine itself, until the next restart. */
  readonly engine: Engine;
  readonly provisioning: Provisioning;
  readonly faults: Faults;
  /** Cuts every connection, forgets everything in memory and serves again on the same ports from what is on disk. */
  restart(): Promise<void>;
  /** Ends as if the process were killed: nobody is told. */
  crash(): Promise<void>;
  /** Says goodbye to all clients and closes everything. Idempotent. */
  stop(): Promise<void>;
};

const adminTokenFile = 'admin-token';
/** The container that devices upload their files to. */
const uploadContainer = 'uploads';

/** The admin token of this data directory; made at the first start. */
async function openAdminToken(folder: string): Promise<string> {
  const path = join(folder, adminTokenFile);
  const stored = (await readFile(path, 'utf8').catch(() => '')).trim();
  if (stored !== '') return stored;
  const token = randomBytes(32).toString('base64url');
  await writeAtomically(path, `${token}\n`, secretMode);
  return token;
}

/** Starts a hub. Throws when a port or the data directory is in use, or when Azurite cannot be started. */
export async function createLocalHub(options: LocalHubOptions = {}): Promise<LocalHub> {
  // Closes in reverse what was opened, whether the start fails half-way or the hub ends.
  const opened = new AsyncDisposableStack();
  try {
    return await open(options, opened);
  } catch (error) {
    await opened.disposeAsync();
    throw error;
  }
}

async function open(options: LocalHubOptions, opened: AsyncDisposableStack): Promise<LocalHub> {
  const { dataDir, inMemory = false, hostNames = [], sku = 'S1', units = 1, partitions } = options;
  const { log = silentLog, clock = createSystemClock() } = options;
  const storeDir = inMemory ? undefined : dataDir;

  const openStoreAgain = () =>
    openStore({ dataDir: storeDir, log, ...(partitions !== undefined && { partitionCount: partitions }) });
  let store: Store = openStoreAgain();
  opened.defer(() => store.close());

  const folder = dataDir ?? (await mkdtemp(join(tmpdir(), 'iotdh-local-hub-')));
  if (dataDir === undefined) opened.defer(() => rm(folder, { recursive: true, force: true }));
  const certificateDir = join(folder, 'certificates');
  const [certificates, adminToken] = await Promise.all([
    openCertificates({ directory: certificateDir, hostNames, log, now: clock.now }),
    openAdminToken(folder),
  ]);
  const storage = await openStorage(options.storage, folder, certificates, opened);

  const host = hostNames[0] ?? 'localhost';
  const { port = 0, amqpPort = 0 } = options;
  const listen = {
    ports: typeof port === 'number' ? [port] : port,
    amqpPort: amqpPort === 'off' ? undefined : amqpPort,
    address: options.address ?? 'localhost',
    maxConnections: options.maxConnections ?? 20_000,
    firstByteMs: options.firstByteMs ?? 10_000,
  };
  const engine: HubOptions['engine'] = {
    ...options.engine,
    throttles: sku === 'off' ? 'off' : { sku, units },
    authorities: [certificates.caPem],
    ...(storage && { storage }),
  };
  const { consumerGroups = [] } = options;
  const start = () =>
    startHub({ store, certificates, clock, log, adminToken, host, listen, consumerGroups, engine, restart });

  let hub: Hub = await start();
  Object.assign(listen, { ports: hub.listener.ports, amqpPort: hub.listener.amqpPort });

  let ended = false;
  /** Restart and end wait for each other. */
  let turn: Promise<void> = Promise.resolve();
  function inTurn(action: () => Promise<void>): Promise<void> {
    turn = turn.then(action, action);
    return turn;
  }

  async function kill(): Promise<void> {
    const crashed = hub.crash();
    // Without a data directory the open store is all there is: it stands for the disk.
    if (storeDir !== undefined) await store.close();
    await crashed;
  }
  function restart(): Promise<void> {
    return inTurn(async () => {
      if (ended) return;
      await kill();
      if (storeDir !== undefined) store = openStoreAgain();
      hub = await start();
      log.info({ what: 'Hub restarted', reason: 'it was asked to' });
    });
  }
  function end(action: () => Promise<void>): Promise<void> {
    return inTurn(async () => {
      if (ended) return;
      ended = true;
      await action();
      await opened.disposeAsync();
    });
  }

  function policyNamed(name: string): SharedAccessPolicy {
    const policy = hub.engine.policies.get(name);
    if (policy === undefined) throw new Error(`the hub has no shared access policy "${name}"`);
    return policy;
  }

  return {
    get hostName() {
      return hub.hostName;
    },
    get port() {
      return hub.listener.ports[0] ?? 0;
    },
    get ports() {
      return hub.listener.ports;
    },
    get amqpPort() {
      return hub.listener.amqpPort;
    },
    get eventHubName() {
      return hub.eventHubName;
    },
    get engine() {
      return hub.engine;
    },
    get provisioning() {
      return hub.provisioning;
    },
    get faults() {
      return hub.engine.faults;
    },
    caPem: certificates.caPem,
    caPath: join(certificateDir, 'ca.pem'),
    certificates,
    adminToken,
    storageConnectionString: storage?.connectionString,
    connectionString: (policy = 'iothubowner') => serviceConnectionString(hub.hostName, policyNamed(policy)),
    eventHubConnectionString({ tls = false } = {}) {
      const { amqpPort: plain, ports } = hub.listener;
      const common = { eventHubName: hub.eventHubName, policy: policyNamed('service') };
      return tls || plain === undefined
        ? eventHubConnectionString({ ...common, host, ports })
        : eventHubConnectionString({ ...common, plainPort: plain });
    },
    async deviceConnectionString(deviceId) {
      const { registry } = hub.engine;
      const device = registry.get(deviceId) ?? (await registry.create({ deviceId }));
      return deviceConnectionString(hub.hostName, device);
    },
    restart,
    crash: () => end(kill),
    stop: () => end(() => hub.stop()),
  };
}

/** The storage account for file uploads; starts Azurite when that was asked for. */
async function openStorage(
  wanted: LocalHubOptions['storage'],
  folder: string,
  { caPem }: Certificates,
  opened: AsyncDisposableStack,
): Promise<BlobStorageSettings | undefined> {
  if (wanted === undefined) return undefined;
  const containerName = uploadContainer;
  if ('connectionString' in wanted) return { connectionString: wanted.connectionString, containerName };
  const azurite = await startAzurite({
    port: wanted.azuritePort,
    directory: join(folder, 'azurite'),
    certPath: join(folder, 'certificates', 'server.pem'),
    keyPath: join(folder, 'certificates', 'server.key'),
    searchFrom: [import.meta.dirname, process.cwd()],
  });
  opened.defer(() => azurite.stop());
  return { connectionString: azurite.connectionString, containerName, caPem };
}
