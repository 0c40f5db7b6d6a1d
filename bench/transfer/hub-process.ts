/** The local hub, durable and without throttles, with its storage, in a process of its own. */
import { createLocalHub, createLog } from '../../local-hub/src/index.ts';
import { answerRequests } from '../processes.ts';

/** What the others need to know of it. */
export type HubAddress = {
  port: number;
  caPath: string;
  caPem: string;
  service: string;
  owner: string;
  events: string;
  storage: string;
  devices: string[];
};

answerRequests(async ({ dataDir }: { dataDir: string }): Promise<HubAddress> => {
  const log = createLog({ write: (line) => console.error(line) });
  const consumerGroups = ['firmware-updater'];
  const storage = { azuritePort: 0 };
  const hub = await createLocalHub({ dataDir, port: 0, sku: 'off', log, storage, consumerGroups });
  return {
    port: hub.port,
    caPath: hub.caPath,
    caPem: hub.caPem,
    service: hub.connectionString('service'),
    owner: hub.connectionString(),
    events: hub.eventHubConnectionString(),
    storage: hub.storageConnectionString ?? '',
    devices: await Promise.all(
      ['bench-0', 'bench-agent', 'bench-1'].map((id) => hub.deviceConnectionString(id)),
    ),
  };
});
