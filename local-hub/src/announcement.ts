/** What the person at the laptop gets to see once the hub serves: how to trust it, and the connection strings to copy. */
import { join } from 'node:path';
import type { LocalHub } from './local-hub.ts';
import type { Settings } from './settings.ts';

/** Everything that a client needs, as data. The connection strings hold keys: handing them over is the purpose. */
export type Announcement = {
  hostName: string;
  ports: readonly number[];
  amqpPort: number | undefined;
  caPath: string;
  service: string;
  eventHub: string;
  eventHubOverTls: string;
  devices: Record<string, string>;
  provisioning: { host: string; idScope: string };
  storage: string | undefined;
  adminTokenPath: string;
  pid: number;
};

const shownDevices = 3;
const firstDevice = 'device-1';

/** The devices whose connection strings are printed: those asked for, else a few that exist, else a new one. */
async function chosenDevices(hub: LocalHub, wanted: readonly string[]): Promise<Record<string, string>> {
  const existing = hub.engine.registry.list(shownDevices).map(({ deviceId }) => deviceId);
  const ids = wanted.length > 0 ? wanted : existing.length > 0 ? existing : [firstDevice];
  const strings = await Promise.all(ids.map((id) => hub.deviceConnectionString(id)));
  return Object.fromEntries(ids.map((id, index) => [id, strings[index] ?? '']));
}

/** Collects the announcement, registering the devices that were asked for. */
export async function announcementOf(
  hub: LocalHub,
  settings: Pick<Settings, 'devices' | 'dataDir'>,
  pid: number,
): Promise<Announcement> {
  return {
    hostName: hub.hostName,
    ports: hub.ports,
    amqpPort: hub.amqpPort,
    caPath: hub.caPath,
    service: hub.connectionString(),
    eventHub: hub.eventHubConnectionString(),
    eventHubOverTls: hub.eventHubConnectionString({ tls: true }),
    devices: await chosenDevices(hub, settings.devices),
    provisioning: { host: hub.hostName, idScope: hub.provisioning.scopeId },
    storage: hub.storageConnectionString,
    adminTokenPath: join(settings.dataDir, 'admin-token'),
    pid,
  };
}

/** The announcement for people. */
export function announcementText(announcement: Announcement): string {
  const { hostName, caPath, service, eventHub, devices, provisioning, storage, adminTokenPath } =
    announcement;
  const sections: [string, string[]][] = [
    ['Clients must trust its certificate authority, for example', [`export NODE_EXTRA_CA_CERTS=${caPath}`]],
    ['Service: azure-iothub', [service]],
    ...Object.entries(devices).map(([id, text]): [string, string[]] => [
      `Device ${id}: azure-iot-device`,
      [text],
    ]),
    ['Events: @azure/event-hubs', [eventHub]],
    [
      'Provisioning: azure-iot-provisioning-device',
      [`host ${provisioning.host}, id scope ${provisioning.idScope}`],
    ],
    ...(storage === undefined ? [] : ([['Storage: @azure/storage-blob', [storage]]] as [string, string[]][])),
    [
      'Admin API: faults, metering, restart',
      [`https://${hostName}/local-hub/, bearer token in ${adminTokenPath}`],
    ],
  ];
  const body = sections.map(([title, lines]) => `${title}\n${lines.map((line) => `  ${line}\n`).join('')}`);
  return `Local IoT Hub at ${hostName}\n\n${body.join('\n')}\nStop it with Ctrl-C.\n`;
}
