/**
 * Everything that the product needs of the cloud, on this machine: the local hub with Azurite, a database and the backend,
 * processes of their own over one data folder. `iotdh dev`, the demo and the tests start it.
 */

import { mkdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { prepareEmbeddedDatabase } from '../../../backend/shared/embedded-database/start.ts';
import { fleetAt } from '../connection/fleet.ts';
import { ensureDevTrust, keysFolderIn, trustRootIn } from './dev-trust.ts';
import { lockFolder } from './folder-lock.ts';
import type { Part } from './part.ts';
import { choosePorts, onChosenPorts, type Ports } from './ports.ts';
import { operatorFileIn, type ServiceName } from './service-parts.ts';
import { startParts } from './start-parts.ts';

export type { Part, Ports };

export type PartName = 'hub' | 'database' | ServiceName;

/** What `startEnvironment` needs. */
export type EnvironmentOptions = {
  /** Where everything is kept; made if it is missing. The same folder again is the same hub, database, blobs and ports. */
  folder: string;
  /** One line for each thing that a person may want to know. Default: silent. */
  log?: (line: string) => void;
  /** Ports to take when they are free. The others, and those that are taken, are chosen by the system once and then kept. */
  preferredPorts?: Partial<Ports>;
  /** Whose limits and throttles the hub applies. Default `off`. */
  sku?: 'S1' | 'S2' | 'S3' | 'off';
  /** Each service a process of its own, to be killed alone, or all of them in one. Default `apart`. */
  services?: 'together' | 'apart';
  /** More settings of each service, such as OTEL_EXPORTER_OTLP_ENDPOINT. */
  serviceEnv?: Readonly<Record<string, string>>;
  /** Ends the start half-way; nothing is left running then. */
  signal?: AbortSignal;
  /** Told when a part ends that was not asked to. Default: it is logged. */
  onLost?: (name: PartName | 'backend') => void;
  /** Passed on to every process: PATH at least, and MONGODB_URI for another database. Default: that of this process. */
  env?: Readonly<Record<string, string | undefined>>;
};

/** The connection strings hold keys. */
export type HubAddresses = {
  /** `localhost:PORT`, for devices. */
  hostName: string;
  /** For `azure-iothub`, policy iothubowner. */
  service: string;
  /** For `@azure/event-hubs`, over plain AMQP on loopback, and over TLS. */
  events: string;
  eventsOverTls: string;
  /** Id scope of the Device Provisioning Service at the same host. */
  idScope: string;
  /** A file with the bearer token of the hub's admin API. */
  adminTokenPath: string;
};

/** A running environment. */
export type Environment = {
  readonly folder: string;
  readonly apiUrl: string;
  readonly brokerUrl: string;
  /** The authority that clients of every part must trust, PEM. */
  readonly caPath: string;
  /** The operator's bearer token, `{"token": …, "name": …}`, mode 0600. */
  readonly operatorTokenFile: string;
  /** The first root, which agents are to trust. */
  readonly trustRootFile: string;
  /** The keys that sign packs here. */
  readonly keysFolder: string;
  readonly hub: HubAddresses;
  readonly storageConnectionString: string;
  readonly databaseUri: string;
  readonly ports: Readonly<Ports>;
  readonly parts: Readonly<Record<PartName, Part>>;
  /** Stops every part, the last started first. Idempotent. */
  stop(): Promise<void>;
};

/** What has to be fetched once, before the first start: `startEnvironment` does it too. */
export async function prepareEnvironment({
  log = () => undefined,
  env = process.env,
  signal,
}: Pick<EnvironmentOptions, 'log' | 'env' | 'signal'>): Promise<void> {
  await prepareEmbeddedDatabase({
    uri: env.MONGODB_URI,
    searchPath: env.PATH,
    onPrepare: () => log('Set-up, once: fetching the database from PyPI'),
    signal,
  });
}

/**
 * Starts it and waits until every part is ready. Throws, with nothing left running, when a part cannot start or the folder is in
 * use by another process. Every part ends when this process does, even when it is killed.
 */
export async function startEnvironment(options: EnvironmentOptions): Promise<Environment> {
  const { log = () => undefined, preferredPorts = {}, signal } = options;
  const folder = resolve(options.folder);
  await mkdir(join(folder, 'logs'), { recursive: true, mode: 0o700 });
  // What was opened, closed in reverse when the start fails half-way.
  const opened = new AsyncDisposableStack();
  try {
    opened.defer(await lockFolder(folder));
    await prepareEnvironment(options);
    const { ports, hub, databaseUri, parts } = await onChosenPorts(
      () => choosePorts(folder, preferredPorts, log),
      (chosen) => startParts(options, chosen, opened),
      log,
    );
    await openTrust(folder, `https://localhost:${ports.api}`, hub.caPath, signal);
    signal?.throwIfAborted();
    const { storage = '', caPath, adminTokenPath, service, eventHub, eventHubOverTls, ...rest } = hub;
    return {
      folder,
      apiUrl: `https://localhost:${ports.api}`,
      brokerUrl: `https://localhost:${ports.broker}`,
      caPath,
      operatorTokenFile: operatorFileIn(folder),
      trustRootFile: trustRootIn(folder),
      keysFolder: keysFolderIn(folder),
      hub: {
        hostName: rest.hostName,
        service,
        events: eventHub,
        eventsOverTls: eventHubOverTls,
        idScope: rest.provisioning.idScope,
        adminTokenPath,
      },
      storageConnectionString: storage,
      databaseUri,
      ports,
      parts,
      stop: () => opened.disposeAsync(),
    };
  } catch (error) {
    await opened.disposeAsync();
    throw error;
  }
}

async function openTrust(
  folder: string,
  apiUrl: string,
  caPath: string,
  signal?: AbortSignal,
): Promise<void> {
  const caPem = await readFile(caPath, 'utf8');
  const { token } = JSON.parse(await readFile(operatorFileIn(folder), 'utf8')) as { token: string };
  const { trust } = fleetAt({ apiUrl, brokerUrl: apiUrl, caPem, token, keysFolder: '' });
  await ensureDevTrust(folder, trust, signal);
}
