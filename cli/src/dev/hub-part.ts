/** The local hub as a part, with Azurite as its child. */
import { join } from 'node:path';
import { createPart, type Part } from './part.ts';
import type { Ports } from './ports.ts';

/** What the hub says when it serves. */
export type HubAnnouncement = {
  hostName: string;
  caPath: string;
  service: string;
  eventHub: string;
  eventHubOverTls: string;
  provisioning: { idScope: string };
  storage?: string;
  adminTokenPath: string;
};

export type HubPartOptions = {
  folder: string;
  ports: Ports;
  env: Readonly<Record<string, string | undefined>>;
  sku: string;
  onLost(): void;
};

const command = join(import.meta.dirname, '../../../local-hub/bin/iotdh-local-hub.js');

/** The readers of the hub's events. */
const consumerGroups = ['d2c-listener', 'firmware-updater'];

export function hubPart(options: HubPartOptions): { part: Part; announcement(): HubAnnouncement } {
  const { folder, ports, sku, env, onLost } = options;
  let announcement: HubAnnouncement | undefined;
  const part = createPart({
    name: 'hub',
    logPath: join(folder, 'logs', 'hub.log'),
    announces: true,
    onLost,
    command: () => ({
      main: command,
      args: [
        ...['--json', '--data-dir', join(folder, 'hub'), '--sku', sku],
        ...['--port', String(ports.hub), '--amqp-port', String(ports.hubAmqp)],
        ...['--storage', `azurite:${ports.blobs}`],
        ...consumerGroups.flatMap((name) => ['--consumer-group', name]),
      ],
      env,
    }),
    async ready({ announced }) {
      announcement = JSON.parse(await announced) as HubAnnouncement;
    },
  });
  return {
    part,
    announcement() {
      if (announcement === undefined) throw new Error('the hub has not been started');
      return announcement;
    },
  };
}
