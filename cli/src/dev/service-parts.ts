/**
 * The services of the backend as parts: each the process that it is in a cluster, with the same settings, or all of them in one process
 * that starts sooner and needs less memory.
 */
import { join } from 'node:path';
import { makeOperatorFile } from '../../../backend/shared/operators.ts';
import type { HubAnnouncement } from './hub-part.ts';
import { createPart, type Part } from './part.ts';
import type { Ports } from './ports.ts';
import { untilReady } from './until-ready.ts';

export const serviceNames = ['api', 'auth-broker', 'd2c-listener', 'firmware-updater'] as const;
export type ServiceName = (typeof serviceNames)[number];

export type ServicePartsOptions = {
  folder: string;
  ports: Ports;
  env: Readonly<Record<string, string | undefined>>;
  sku: string;
  hub: HubAnnouncement;
  databaseUri: string;
  /** More of the environment of each service. */
  more: Readonly<Record<string, string>>;
  /** One process for all, or one for each. */
  services: 'together' | 'apart';
  onLost(name: ServiceName | 'backend'): void;
};

/** A port that a service is called at, where it has one, and the port of its health. */
const portsOf: Readonly<Record<ServiceName, { serves?: keyof Ports; health: keyof Ports }>> = {
  api: { serves: 'api', health: 'apiHealth' },
  'auth-broker': { serves: 'broker', health: 'brokerHealth' },
  'd2c-listener': { health: 'listenerHealth' },
  'firmware-updater': { health: 'updaterHealth' },
};

const backend = join(import.meta.dirname, '../../../backend');

/** Who operates on a laptop, for the records. */
const operatorName = 'developer';

export const operatorFileIn = (folder: string): string => join(folder, 'operator.token');

export const healthUrlOf = (name: ServiceName, ports: Ports): string =>
  `http://127.0.0.1:${ports[portsOf[name].health]}`;

/** Of one process for all, the same part stands for each service. */
export function serviceParts(options: ServicePartsOptions): Record<ServiceName, Part> {
  const { folder, ports, env, sku, hub, databaseUri, more, onLost } = options;
  const operatorFile = operatorFileIn(folder);
  makeOperatorFile(operatorFile, operatorName);
  const certificates = join(folder, 'hub', 'certificates');
  const shared = {
    ...env,
    // What the caller's own shell may have set for others must not move a service off loopback.
    HOST: '127.0.0.1',
    HEALTH_HOST: '127.0.0.1',
    SETTINGS_FILE: '',
    MONGODB_URI: databaseUri,
    IOTHUB_CONNECTION_STRING: hub.service,
    IOTHUB_EVENTS_CONNECTION_STRING: hub.eventHub,
    IOTHUB_CA_FILE: hub.caPath,
    IOTHUB_SKU: sku,
    AZURE_STORAGE_CONNECTION_STRING: hub.storage ?? '',
    OPERATOR_TOKEN_FILE: operatorFile,
    TRUST_KEY_FOLDER: join(folder, 'trust', 'online'),
    BROKER_AUTHORITY_FILE: join(folder, 'broker-authority.json'),
    TLS_CERT_FILE: join(certificates, 'server.pem'),
    TLS_KEY_FILE: join(certificates, 'server.key'),
    ...more,
  };
  const partOf = (name: ServiceName) => {
    const { serves, health } = portsOf[name];
    return createPart({
      name,
      logPath: join(folder, 'logs', `${name}.log`),
      onLost: () => onLost(name),
      command: () => ({
        main: join(backend, 'services', name, 'main.ts'),
        args: [],
        env: {
          ...shared,
          ...(serves !== undefined && { PORT: String(ports[serves]) }),
          HEALTH_PORT: String(ports[health]),
        },
      }),
      async ready({ announced, signal }) {
        await announced;
        await untilReady(healthUrlOf(name, ports), signal);
      },
    });
  };
  if (options.services === 'together') {
    const together = createPart({
      name: 'backend',
      logPath: join(folder, 'logs', 'backend.log'),
      onLost: () => onLost('backend'),
      command: () => ({
        main: join(backend, 'all-in-one', 'main.ts'),
        args: [],
        env: {
          ...shared,
          API_PORT: String(ports.api),
          BROKER_PORT: String(ports.broker),
          API_HEALTH_PORT: String(ports.apiHealth),
          BROKER_HEALTH_PORT: String(ports.brokerHealth),
          LISTENER_HEALTH_PORT: String(ports.listenerHealth),
          UPDATER_HEALTH_PORT: String(ports.updaterHealth),
        },
      }),
      async ready({ announced, signal }) {
        await announced;
        await Promise.all(serviceNames.map((name) => untilReady(healthUrlOf(name, ports), signal)));
      },
    });
    return { api: together, 'auth-broker': together, 'd2c-listener': together, 'firmware-updater': together };
  }
  return {
    api: partOf('api'),
    'auth-broker': partOf('auth-broker'),
    'd2c-listener': partOf('d2c-listener'),
    'firmware-updater': partOf('firmware-updater'),
  };
}
