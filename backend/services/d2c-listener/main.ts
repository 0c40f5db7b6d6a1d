/** The process of the D2C Listener: settings, signals. */
import { systemClock } from '../../shared/clock.ts';
import { openDatabase } from '../../shared/database/connect.ts';
import { createLog } from '../../shared/log.ts';
import { createMetrics } from '../../shared/metrics.ts';
import { runService } from '../../shared/run-service.ts';
import { oneOf, optionalText, printable, readSettings, text, whole } from '../../shared/settings.ts';
import { createTracing } from '../../shared/tracing.ts';
import { trustAuthorityFile } from '../../shared/trust.ts';
import { createD2cListener, eager } from './d2c-listener.ts';

const shape = {
  mongodbUri: text('MONGODB_URI', { secret: true }),
  mongodbDatabase: text('MONGODB_DATABASE', { fallback: 'iotdh' }),
  eventsConnectionString: text('IOTHUB_EVENTS_CONNECTION_STRING', { secret: true }),
  consumerGroup: text('IOTHUB_EVENTS_CONSUMER_GROUP', { fallback: 'd2c-listener' }),
  maxBatchSize: whole('MAX_BATCH_SIZE', { min: 1, max: 1_000, fallback: 256 }),
  /** How long after a replica died others take over its partitions. */
  takeoverMs: whole('TAKEOVER_MS', { min: 1_000, max: 300_000, fallback: 15_000 }),
  storageConnectionString: text('AZURE_STORAGE_CONNECTION_STRING', { secret: true }),
  caFile: optionalText('IOTHUB_CA_FILE'),
  otlpEndpoint: optionalText('OTEL_EXPORTER_OTLP_ENDPOINT', { pattern: /^https?:\/\// }),
  logLevel: oneOf('LOG_LEVEL', ['debug', 'info', 'warn', 'error'], 'info'),
  healthHost: text('HEALTH_HOST', { fallback: '127.0.0.1' }),
  healthPort: whole('HEALTH_PORT', { min: 0, max: 65_535, fallback: 9_101 }),
};

const settings = readSettings(process.env, shape);
const name = 'd2c-listener';
const log = createLog({ service: name, level: settings.logLevel });
log.info('starting', { settings: printable(shape, settings) });
if (settings.caFile !== undefined) trustAuthorityFile(settings.caFile);

const database = openDatabase({ uri: settings.mongodbUri, name: settings.mongodbDatabase, appName: name });
const metrics = createMetrics({ service: name, ofProcess: true });
const tracing = createTracing({
  service: name,
  ...(settings.otlpEndpoint !== undefined && { endpoint: settings.otlpEndpoint }),
});
const service = createD2cListener({
  database,
  events: {
    connectionString: settings.eventsConnectionString,
    consumerGroup: settings.consumerGroup,
    maxBatchSize: settings.maxBatchSize,
    loadBalancing: eager(settings.takeoverMs),
  },
  checkpoints: { connectionString: settings.storageConnectionString },
  log,
  metrics,
  tracing,
  clock: systemClock,
});

await runService({
  service,
  metrics,
  log,
  health: { host: settings.healthHost, port: settings.healthPort },
  graceMs: 30_000,
  closeLast: [database.close, tracing.stop],
  process,
});
