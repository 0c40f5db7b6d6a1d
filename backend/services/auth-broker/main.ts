/** The authentication broker as a process of its own. */
import { readFileSync } from 'node:fs';
import { createObjects } from '../../shared/blobs.ts';
import { openDatabase } from '../../shared/database/connect.ts';
import { createHub, parseHubConnectionString } from '../../shared/hub.ts';
import { createLog } from '../../shared/log.ts';
import { createMetrics } from '../../shared/metrics.ts';
import { createOperators, readOperatorTokens } from '../../shared/operators.ts';
import { readTlsFiles } from '../../shared/rpc/tls-files.ts';
import { runService } from '../../shared/run-service.ts';
import { printable, readSettings } from '../../shared/settings.ts';
import { createTracing } from '../../shared/tracing.ts';
import { trustAuthority } from '../../shared/trust.ts';
import { createAuthBroker } from './auth-broker.ts';
import { openAuthority } from './authority.ts';
import { shape } from './settings.ts';

const service = 'auth-broker';
const settings = readSettings(process.env, shape);
const log = createLog({ service, level: settings.logLevel });
log.info('starting', { settings: printable(shape, settings) });

const caPem = settings.caFile === undefined ? undefined : readFileSync(settings.caFile, 'utf8');
if (caPem !== undefined) trustAuthority(caPem);
const { collector: endpoint, hubConnectionString } = settings;
const tls = readTlsFiles(settings);
const metrics = createMetrics({ service, ofProcess: true });
const tracing = createTracing({ service, ...(endpoint !== undefined && { endpoint }) });
const database = openDatabase({ uri: settings.databaseUri, name: settings.databaseName, appName: service });
const hub = createHub({ connectionString: hubConnectionString, caPem });

const broker = createAuthBroker({
  database,
  objects: createObjects({ connectionString: settings.storageConnectionString }),
  hub,
  hubHost: settings.hubHost ?? parseHubConnectionString(hubConnectionString).host,
  authority: await openAuthority(settings.authorityFile, Date.now(), {
    deviceDays: settings.certificateDays,
  }),
  operators: createOperators(readOperatorTokens(settings.operatorTokenFile)),
  host: settings.host,
  port: settings.port,
  ...(tls && { tls }),
  log,
  metrics,
  tracing,
});

await runService({
  service: broker,
  metrics,
  log,
  health: { host: settings.healthHost, port: settings.healthPort },
  graceMs: settings.graceMs,
  closeLast: [() => tracing.stop(), () => database.close(), async () => hub.close()],
  process,
});
