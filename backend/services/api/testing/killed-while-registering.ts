/**
 * A process of its own, for the test that kills it: it registers a device and is gone, as by kill -9, between the identity in the
 * hub and the record in the database. Its one argument holds what it needs, as JSON.
 */
import { createObjects } from '../../../shared/blobs.ts';
import { openDatabase } from '../../../shared/database/connect.ts';
import { createHub } from '../../../shared/hub.ts';
import { silentLog } from '../../../shared/log.ts';
import { createMetrics } from '../../../shared/metrics.ts';
import { createOperators } from '../../../shared/operators.ts';
import { createTestAuthor } from '../../../shared/testing/test-author.ts';
import { createTracing } from '../../../shared/tracing.ts';
import { createApi } from '../api.ts';
import { clientsOf, operatorName, operatorToken, testPolicy } from './rig.ts';

type Needed = {
  uri: string;
  name: string;
  hubConnectionString: string;
  caPem: string;
  storage: string;
  deviceId: string;
  requestId: string;
};

const needed = JSON.parse(process.argv[2] ?? '{}') as Needed;
const { uri, name, hubConnectionString, caPem, storage, deviceId, requestId } = needed;

const hub = createHub({ connectionString: hubConnectionString, caPem });
const api = createApi({
  database: openDatabase({ uri, name, appName: 'killed' }),
  objects: createObjects({ connectionString: storage }),
  hub: {
    ...hub,
    async ask(call) {
      const answer = await hub.ask(call);
      process.kill(process.pid, 'SIGKILL');
      return answer;
    },
  },
  operators: createOperators([{ name: operatorName, token: operatorToken }]),
  policy: testPolicy,
  onlineKeys: createTestAuthor().onlineKeys,
  port: 0,
  log: silentLog,
  tracing: createTracing({ service: 'killed' }),
  metrics: createMetrics({ service: 'killed' }),
});
await api.start();
await clientsOf(api).devices.registerDevice({ deviceId, requestId });
