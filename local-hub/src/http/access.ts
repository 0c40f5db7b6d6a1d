/** Checks who calls: a service by a shared access policy, a device by its own credentials, an admin by the hub's token. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { DeviceAuth } from '../engine/authentication.ts';
import { HubError } from '../engine/error.ts';
import type { AccessRight } from '../engine/policies.ts';
import { type Call, header, param, type Services } from './exchange.ts';

/** Who may use a route. `device` is the device that the path names. */
export type Access = 'anyone' | 'admin' | 'device' | { right: AccessRight };

const bearer = 'Bearer ';

function authorizeAdmin(call: Call, { adminToken, log }: Services): void {
  const given = header(call, 'authorization') ?? '';
  const digest = (text: string) => createHash('sha256').update(text).digest();
  // Digests have one length, so that the comparison tells nothing about the token's.
  const matches = timingSafeEqual(digest(given.slice(bearer.length)), digest(adminToken));
  if (given.startsWith(bearer) && matches) return;
  const reason = given === '' ? 'it sent no Authorization header' : 'it did not send the admin token';
  log.warn({
    what: `Admin call refused from ${call.remote}`,
    reason,
    next: 'Send "Authorization: Bearer" with the content of the file admin-token in the data directory',
  });
  throw new HubError('Unauthorized', 'The admin API needs the token in the file admin-token');
}

function authorizeService(call: Call, { engine, hostName }: Services, need: AccessRight, path: string): void {
  engine.authentication.authorizePolicy({
    token: header(call, 'authorization') ?? '',
    resource: `${hostName}${path}`,
    need,
    dialect: 'iothub',
    via: { protocol: 'HTTPS', remote: call.remote },
  });
}

function authenticateDevice(call: Call, { engine }: Services): DeviceAuth {
  return engine.authentication.authenticateDevice({
    deviceId: param(call, 'deviceId'),
    sasToken: header(call, 'authorization'),
    clientCertificate: call.clientCertificate,
    via: { protocol: 'HTTPS', remote: call.remote },
  });
}

/** Throws HubError `Unauthorized` or `DeviceDisabled`; gives the device that calls, where one must. `path` is URL-decoded. */
export function authorize(
  access: Access,
  call: Call,
  services: Services,
  path: string,
): DeviceAuth | undefined {
  if (access === 'anyone') return undefined;
  if (access === 'device') return authenticateDevice(call, services);
  if (access === 'admin') authorizeAdmin(call, services);
  else authorizeService(call, services, access.right, path);
  return undefined;
}
