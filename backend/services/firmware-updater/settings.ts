/** The settings of the firmware updater's process, by the names of its environment. */
import { hubShape } from '../../shared/quota/hub-settings.ts';
import { oneOf, optionalText, text, whole } from '../../shared/settings.ts';

export const shape = {
  databaseUri: text('MONGODB_URI', { secret: true }),
  databaseName: text('MONGODB_DATABASE', { fallback: 'iotdh' }),
  hubConnectionString: text('IOTHUB_CONNECTION_STRING', { secret: true }),
  eventsConnectionString: text('IOTHUB_EVENTS_CONNECTION_STRING', { secret: true }),
  consumerGroup: text('IOTHUB_CONSUMER_GROUP', { fallback: 'firmware-updater' }),
  caFile: optionalText('IOTHUB_CA_FILE'),
  storageConnectionString: text('AZURE_STORAGE_CONNECTION_STRING', { secret: true }),
  checkpointContainer: text('CHECKPOINT_CONTAINER', { fallback: 'checkpoints' }),
  /** How long after a replica died others take over what its devices ask. */
  takeoverMs: whole('TAKEOVER_MS', { min: 1_000, max: 300_000, fallback: 15_000 }),
  collector: optionalText('OTEL_EXPORTER_OTLP_ENDPOINT'),
  ...hubShape,
  cacheMebibytes: whole('BLOCK_CACHE_MIB', { min: 4, max: 65_536, fallback: 128 }),
  healthHost: text('HEALTH_HOST', { fallback: '127.0.0.1' }),
  healthPort: whole('HEALTH_PORT', { min: 0, max: 65_535, fallback: 0 }),
  graceMs: whole('GRACE_MS', { min: 100, max: 600_000, fallback: 20_000 }),
  logLevel: oneOf('LOG_LEVEL', ['debug', 'info', 'warn', 'error'], 'info'),
};
