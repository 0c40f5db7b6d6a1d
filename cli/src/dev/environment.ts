/**
 * Everything that the product needs of the cloud, on this machine: the local hub with Azurite, a database and the backend, each
 * a process of its own over one data folder. `iotdh dev`, the demo and the tests start it.
 */

/** What `startEnvironment` needs. */
export type EnvironmentOptions = {
  /** Where everything is kept; made if it is missing. The same folder again is the same hub, database, blobs and ports. */
  folder: string;
  /** One line for each thing that a person may want to know. Default: silent. */
  log?: (line: string) => void;
  /** Ports to take when they are free. The others, and those that are taken, are chosen by the system once and then kept. */
  preferredPorts?: Partial<Ports>;
  /** Whose limits and throttles the hub applies. Default `off`. */
  sku?: 'S1' | 'S2' | 'S3' | 'F1' | 'off';
  /** More of the environment of the backend's process, such as OTEL_EXPORTER_OTLP_ENDPOINT. */
  backendEnv?: Readonly<Record<string, string>>;
  /** Ends the start half-way; nothing is left running then. */
  signal?: AbortSignal;
};

/** TCP ports on loopback, kept in the folder so that they stay the same over restarts. */
export type Ports = {
  hub: number;
  hubAmqp: number;
  blobs: number;
  database: number;
  api: number;
  broker: number;
  health: number;
};

export type PartName = 'hub' | 'database' | 'backend';

/** One process of the environment. */
export type Part = {
  readonly name: PartName;
  /** 0 while it does not run. */
  readonly pid: number;
  /** What it writes to stdout and stderr, over all its lives. */
  readonly logPath: string;
  /** SIGKILL, as a power cut would; resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGTERM; resolves when it is gone. */
  stop(): Promise<void>;
  /** Starts it again on the same ports and data; resolves when it is ready. */
  start(): Promise<void>;
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
  /** Where the backend says that it is ready: /readyz below it. */
  readonly healthUrl: string;
  /** The authority that clients of every part must trust, PEM. */
  readonly caPath: string;
  /** The operator's bearer token, `{"token": …, "name": …}`, mode 0600. */
  readonly operatorTokenFile: string;
  readonly hub: HubAddresses;
  readonly storageConnectionString: string;
  readonly databaseUri: string;
  readonly ports: Readonly<Ports>;
  readonly parts: Readonly<Record<PartName, Part>>;
  /** Stops every part, the last started first. Idempotent. */
  stop(): Promise<void>;
};
