/** The settings of all services in one process. Names are those of the services; where they differ, each has its own. */
import { hubShape } from '../shared/quota/hub-settings.ts';
import { oneOf, optionalText, text, whole } from '../shared/settings.ts';

const port = { min: 0, max: 65_535 } as const;

export const shape = {
  databaseUri: text('MONGODB_URI', { secret: true }),
  databaseName: text('MONGODB_DATABASE', { fallback: 'iotdh' }),
  hubConnectionString: text('IOTHUB_CONNECTION_STRING', { secret: true }),
  eventsConnectionString: text('IOTHUB_EVENTS_CONNECTION_STRING', { secret: true }),
  /** The hub as devices reach it. Absent: the host of the connection string. */
  hubHost: optionalText('IOTHUB_DEVICE_HOST'),
  caFile: optionalText('IOTHUB_CA_FILE'),
  storageConnectionString: text('AZURE_STORAGE_CONNECTION_STRING', { secret: true }),
  otlpEndpoint: optionalText('OTEL_EXPORTER_OTLP_ENDPOINT', { pattern: /^https?:\/\// }),
  operatorTokenFile: text('OPERATOR_TOKEN_FILE'),
  authorityFile: text('BROKER_AUTHORITY_FILE'),
  /** How long a device's certificate lasts. */
  certificateDays: whole('BROKER_CERTIFICATE_DAYS', { min: 1, max: 3650, fallback: 365 }),
  trustKeyFolder: text('TRUST_KEY_FOLDER'),
  apiPort: whole('API_PORT', { ...port, fallback: 8443 }),
  brokerPort: whole('BROKER_PORT', { ...port, fallback: 8444 }),
  /** Where each service answers about its health. 0: the system chooses. */
  listenerHealthPort: whole('LISTENER_HEALTH_PORT', { ...port, fallback: 0 }),
  updaterHealthPort: whole('UPDATER_HEALTH_PORT', { ...port, fallback: 0 }),
  brokerHealthPort: whole('BROKER_HEALTH_PORT', { ...port, fallback: 0 }),
  apiHealthPort: whole('API_HEALTH_PORT', { ...port, fallback: 0 }),
  certFile: optionalText('TLS_CERT_FILE'),
  keyFile: optionalText('TLS_KEY_FILE'),
  ...hubShape,
  graceMs: whole('GRACE_MS', { min: 100, max: 600_000, fallback: 20_000 }),
  logLevel: oneOf('LOG_LEVEL', ['debug', 'info', 'warn', 'error'], 'info'),
};
