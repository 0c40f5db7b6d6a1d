/** A listener in a process of its own that is killed between its first commit and the checkpoint; told by IPC what to connect to. */
import { once } from 'node:events';
import { systemClock } from '../../../shared/clock.ts';
import { openDatabase } from '../../../shared/database/connect.ts';
import { silentLog } from '../../../shared/log.ts';
import { createMetrics } from '../../../shared/metrics.ts';
import { createTracing } from '../../../shared/tracing.ts';
import { trustAuthority } from '../../../shared/trust.ts';
import { createD2cListener } from '../d2c-listener.ts';
import { quick } from './rig.ts';

export type VictimSettings = {
  uri: string;
  databaseName: string;
  events: string;
  consumerGroup: string;
  storage: string;
  container: string;
  caPem: string;
};

const [settings] = (await once(process, 'message')) as [VictimSettings];
process.once('disconnect', () => process.exit(0));
trustAuthority(settings.caPem);
const service = createD2cListener({
  database: openDatabase({ uri: settings.uri, name: settings.databaseName, appName: 'victim' }),
  events: {
    connectionString: settings.events,
    consumerGroup: settings.consumerGroup,
    loadBalancing: quick.loadBalancing,
  },
  checkpoints: { connectionString: settings.storage, container: settings.container },
  log: silentLog,
  metrics: createMetrics({ service: 'victim' }),
  tracing: createTracing({ service: 'victim' }),
  clock: systemClock,
  claimMs: quick.claimMs,
  failPoints: {
    async committed() {
      process.kill(process.pid, 'SIGKILL');
    },
  },
});
await service.start();
