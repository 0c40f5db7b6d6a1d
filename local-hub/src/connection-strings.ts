/** The connection strings that Microsoft's SDKs take, for a local hub. */
import type { DeviceIdentity } from './engine/identity.ts';
import type { SharedAccessPolicy } from './engine/policies.ts';

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
  host: string;
  port: number;
  /** Plain TCP, which the clients call their emulator mode: no certificate to trust. */
  plain: boolean;
  eventHubName: string;
  policy: SharedAccessPolicy;
};

/** For Event Hubs clients. */
export function eventHubConnectionString({
  host,
  port,
  plain,
  eventHubName,
  policy,
}: EventHubEndpoint): string {
  const emulator = plain ? ';UseDevelopmentEmulator=true' : '';
  return `Endpoint=sb://${host}:${port};SharedAccessKeyName=${policy.name};SharedAccessKey=${policy.primaryKey};EntityPath=${eventHubName}${emulator}`;
}
