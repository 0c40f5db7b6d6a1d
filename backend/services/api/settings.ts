/** The settings of the API's process, by the names of its environment. */
import { hubShape } from '../../shared/quota/hub-settings.ts';
import { oneOf, optionalText, text, whole } from '../../shared/settings.ts';

export const shape = {
  databaseUri: text('MONGODB_URI', { secret: true }),
  databaseName: text('MONGODB_DATABASE', { fallback: 'iotdh' }),
  hubConnectionString: text('IOTHUB_CONNECTION_STRING', { secret: true }),
  caFile: optionalText('IOTHUB_CA_FILE'),
  storageConnectionString: text('AZURE_STORAGE_CONNECTION_STRING', { secret: true }),
  collector: optionalText('OTEL_EXPORTER_OTLP_ENDPOINT'),
  ...hubShape,
  /** One JSON object `{"name", "token"}` a line, readable by this user alone. */
  operatorTokenFile: text('OPERATOR_TOKEN_FILE'),
  /** Holds the keys that sign snapshots and timestamps; made at the first start, for this user alone. */
  trustKeyFolder: optionalText('TRUST_KEY_FOLDER'),
  /** Instead of a folder: versions of keys in Azure Key Vault, and what workload identity sets in a pod. */
  snapshotKeyId: optionalText('TRUST_SNAPSHOT_KEY'),
  timestampKeyId: optionalText('TRUST_TIMESTAMP_KEY'),
  tenantId: optionalText('AZURE_TENANT_ID'),
  clientId: optionalText('AZURE_CLIENT_ID'),
  federatedTokenFile: optionalText('AZURE_FEDERATED_TOKEN_FILE'),
  authorityHost: text('AZURE_AUTHORITY_HOST', {
    fallback: 'https://login.microsoftonline.com/',
    pattern: /^https:\/\//,
  }),
  host: text('HOST', { fallback: '127.0.0.1' }),
  port: whole('PORT', { min: 0, max: 65_535, fallback: 8443 }),
  /** Both or neither; an address beyond this machine needs them. */
  certFile: optionalText('TLS_CERT_FILE'),
  keyFile: optionalText('TLS_KEY_FILE'),
  /** Origins of dashboards, separated by commas. */
  allowedOrigins: text('ALLOWED_ORIGINS', { fallback: '' }),
  healthHost: text('HEALTH_HOST', { fallback: '127.0.0.1' }),
  healthPort: whole('HEALTH_PORT', { min: 0, max: 65_535, fallback: 0 }),
  graceMs: whole('GRACE_MS', { min: 100, max: 600_000, fallback: 20_000 }),
  logLevel: oneOf('LOG_LEVEL', ['debug', 'info', 'warn', 'error'], 'info'),
};

/** The origins in a list that is separated by commas. */
export const originsOf = (list: string): string[] =>
  list
    .split(',')
    .map((origin) => origin.trim())
    .filter((origin) => origin !== '');
