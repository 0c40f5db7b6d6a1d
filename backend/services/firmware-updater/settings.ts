/** The settings of the firmware updater's process, by the names of its environment. */
import { oneOf, optionalText, text, whole } from '../../shared/settings.ts';

/** C2D sends a minute for each unit of a hub ("Reference - IoT Hub quotas and throttling"). */
const perUnit = { S1: 100, S2: 100, S3: 5_000 } as const;

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
  /** Whose limits apply; `off`: none, until the hub throttles. */
  hubSku: oneOf('IOTHUB_SKU', ['off', 'S1', 'S2', 'S3'], 'S1'),
  hubUnits: whole('IOTHUB_UNITS', { min: 1, max: 200, fallback: 1 }),
  /** Of the hub's sends, in percent, for this process: what other senders and other replicas need is theirs. */
  c2dSharePercent: whole('C2D_SHARE_PERCENT', { min: 1, max: 100, fallback: 80 }),
  /** Instead of what SKU, units and share come to. 0: not set. */
  c2dPerMinute: whole('C2D_PER_MINUTE', { min: 0, max: 10_000_000, fallback: 0 }),
  /** Units of 4 KiB a day that frames may use. 0: as many as the hub has. */
  frameUnitsPerDay: whole('FRAME_UNITS_PER_DAY', { min: 0, max: 1_000_000_000_000, fallback: 0 }),
  cacheMebibytes: whole('BLOCK_CACHE_MIB', { min: 4, max: 65_536, fallback: 128 }),
  healthHost: text('HEALTH_HOST', { fallback: '127.0.0.1' }),
  healthPort: whole('HEALTH_PORT', { min: 0, max: 65_535, fallback: 0 }),
  graceMs: whole('GRACE_MS', { min: 100, max: 600_000, fallback: 20_000 }),
  logLevel: oneOf('LOG_LEVEL', ['debug', 'info', 'warn', 'error'], 'info'),
};

/** C2D messages a minute for one process. */
export function paceOf(settings: {
  c2dPerMinute: number;
  hubSku: 'off' | 'S1' | 'S2' | 'S3';
  hubUnits: number;
  c2dSharePercent: number;
}): number | 'off' {
  const { c2dPerMinute, hubSku, hubUnits, c2dSharePercent } = settings;
  if (c2dPerMinute > 0) return c2dPerMinute;
  return hubSku === 'off' ? 'off' : (perUnit[hubSku] * hubUnits * c2dSharePercent) / 100;
}
