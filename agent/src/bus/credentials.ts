/** Who this device is to the hub, and the same in the SDK's words. */
import type { DeviceClientOptions } from 'azure-iot-device';

/**
 * A connection string with a key or a token, or a certificate. `cert` and `key` are PEM texts. Whatever it holds is for the hub
 * only and never for a log.
 */
export type Credentials =
  | { kind: 'connection_string'; connectionString: string }
  | { kind: 'x509'; hostName: string; deviceId: string; cert: string; key: string; passphrase?: string };

/** The SDK's connection string and the options that go with it. */
export function forSdk(credentials: Credentials): { connectionString: string; options: DeviceClientOptions } {
  if (credentials.kind === 'connection_string') {
    return { connectionString: credentials.connectionString, options: {} };
  }
  const { hostName, deviceId, cert, key, passphrase } = credentials;
  return {
    connectionString: `HostName=${hostName};DeviceId=${deviceId};x509=true`,
    options: { cert, key, ...(passphrase !== undefined && { passphrase }) },
  };
}

/** The SDK appends `:443` to the name for WebSocket, so a name that has a port loses it. */
export function withoutPort(connectionString: string): string {
  return connectionString.replace(/((?:^|;)(?:Gateway)?HostName=[^;:]*):\d+/gi, '$1');
}
