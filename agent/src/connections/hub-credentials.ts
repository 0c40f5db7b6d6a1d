/** Who the device is to the hub: what it was given at first, changed by what a manifest has set since. */
import type { Credentials } from '../bus/credentials.ts';
import type { ConnectionSettings } from './connections.ts';

/** `connection-string` replaces everything; `host` names another hub, and its port if it is not 8883. */
export function hubCredentials(given: Credentials, settings: ConnectionSettings | null): Credentials {
  const connectionString = settings?.['connection-string'];
  if (connectionString !== undefined) return { kind: 'connection_string', connectionString };
  const hostName = settings?.host;
  if (hostName === undefined) return given;
  if (given.kind === 'x509') return { ...given, hostName };
  const replaced = given.connectionString.replace(/(^|;)HostName=[^;]*/i, `$1HostName=${hostName}`);
  return { kind: 'connection_string', connectionString: replaced };
}
