/** The connection strings that Microsoft's SDKs take, for a local hub. */
import type { DeviceIdentity } from './engine/identity.ts';
import type { SharedAccessPolicy } from './engine/policies.ts';

const httpsPort = 443;
const amqpsPort = 5_671;

/** Leaves the port away where it is the standard one: some clients could not take it. */
function withPort(host: string, ports: readonly number[], standard: number): string {
  return ports.includes(standard) ? host : `${host}:${ports[0]}`;
}

/** The hub's name in connection strings: `localhost:18443`, or `localhost` when 443 is one of its ports. */
export function hubHostName(host: string, ports: readonly number[]): string {
  return withPort(host, ports, httpsPort);
}

/** For service SDKs, and for DPS service clients. */
export function serviceConnectionString(hostName: string, policy: SharedAccessPolicy): string {
  return `HostName=${hostName};SharedAccessKeyName=${policy.name};SharedAccessKey=${policy.primaryKey}`;
}

/** For device SDKs; a device without a symmetric key gets one that asks for its certificate. */
export function deviceConnectionString(hostName: string, device: DeviceIdentity): string {
  const { primaryKey } = device.authentication.symmetricKey;
  const proof = device.authentication.type === 'sas' ? `SharedAccessKey=${primaryKey}` : 'x509=true';
  return `HostName=${hostName};DeviceId=${device.deviceId};${proof}`;
}

export type EventHubEndpoint = {
  eventHubName: string;
  policy: SharedAccessPolicy;
} & (
  | { host: string; ports: readonly number[] }
  /** Plain TCP on loopback, which the clients call their emulator mode: no certificate to trust. */
  | { plainPort: number }
);

/** For Event Hubs clients. */
export function eventHubConnectionString(endpoint: EventHubEndpoint): string {
  const { eventHubName, policy } = endpoint;
  const [address, emulator] =
    'plainPort' in endpoint
      ? [`localhost:${endpoint.plainPort}`, ';UseDevelopmentEmulator=true']
      : [withPort(endpoint.host, endpoint.ports, amqpsPort), ''];
  return `Endpoint=sb://${address};SharedAccessKeyName=${policy.name};SharedAccessKey=${policy.primaryKey};EntityPath=${eventHubName}${emulator}`;
}
