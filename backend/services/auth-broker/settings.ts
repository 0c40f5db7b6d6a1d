/** The settings of the authentication broker's process, by the names of its environment. */
import { oneOf, optionalText, text, whole } from '../../shared/settings.ts';

export const shape = {
  databaseUri: text('MONGODB_URI', { secret: true }),
  databaseName: text('MONGODB_DATABASE', { fallback: 'iotdh' }),
  hubConnectionString: text('IOTHUB_CONNECTION_STRING', { secret: true }),
  /** The hub as devices reach it. Absent: the host of the connection string. */
  hubHost: optionalText('IOTHUB_DEVICE_HOST'),
  caFile: optionalText('IOTHUB_CA_FILE'),
  storageConnectionString: text('AZURE_STORAGE_CONNECTION_STRING', { secret: true }),
  collector: optionalText('OTEL_EXPORTER_OTLP_ENDPOINT'),
  /** One JSON object `{"name", "token"}` a line, readable by this user alone. */
  operatorTokenFile: text('OPERATOR_TOKEN_FILE'),
  /** Certificate and key of the authority that signs for devices; made at the first run, readable by this user alone. */
  authorityFile: text('BROKER_AUTHORITY_FILE'),
  /** How long a device's certificate lasts. */
  certificateDays: whole('BROKER_CERTIFICATE_DAYS', { min: 1, max: 3650, fallback: 365 }),
  host: text('HOST', { fallback: '127.0.0.1' }),
  port: whole('PORT', { min: 0, max: 65_535, fallback: 8444 }),
  /** Both or neither; an address beyond this machine needs them. */
  certFile: optionalText('TLS_CERT_FILE'),
  keyFile: optionalText('TLS_KEY_FILE'),
  healthHost: text('HEALTH_HOST', { fallback: '127.0.0.1' }),
  healthPort: whole('HEALTH_PORT', { min: 0, max: 65_535, fallback: 0 }),
  graceMs: whole('GRACE_MS', { min: 100, max: 600_000, fallback: 20_000 }),
  logLevel: oneOf('LOG_LEVEL', ['debug', 'info', 'warn', 'error'], 'info'),
};
