/**
 * What a connection has shown about who it is: tokens put to $cbs or brought by SASL PLAIN, and its TLS client certificate.
 * Asked whenever a link is attached, and again while it lives, because tokens expire.
 */

import type { DeviceAuth, PolicyAuth, Via } from '../engine/authentication.ts';
import type { Engine } from '../engine/engine.ts';
import { HubError } from '../engine/error.ts';
import type { AccessRight } from '../engine/policies.ts';
import { parseSas, splitResource } from '../engine/sas.ts';
import type { ClientCertificate } from '../engine/x509-trust.ts';
import { decodePart } from './address.ts';
import type { PlainCredentials } from './sasl.ts';

type PolicyGrant = { path: string; token: string; auth: PolicyAuth };

export type Claims = {
  /** Checks a token and keeps what it grants. Throws HubError. Returns the device when the token is for one. */
  put(audience: string, token: string): DeviceAuth | undefined;
  /** The same for SASL PLAIN. */
  putPlain(credentials: PlainCredentials): void;
  /** Whether a policy with `right` was shown for `path` (without host) or for something above it. */
  allows(right: AccessRight, path: string): boolean;
  /** As whom a device may attach links. Throws HubError. */
  device(deviceId: string): DeviceAuth;
  /** Whether what `device` once returned is still valid. Cheap. */
  allowsDevice(deviceId: string): boolean;
  /** True when anything valid was shown, a certificate included. */
  readonly any: boolean;
};

export type ClaimsOptions = {
  engine: Pick<Engine, 'authentication' | 'policies'>;
  now(): number;
  via: Via;
  clientCertificate: ClientCertificate | undefined;
  /** How many grants are kept; more are refused. */
  maxGrants: number;
};

const devicePattern = /^devices\/([^/]+)/i;

/** The path of an audience, which some SDKs send URL-encoded as a whole. */
function audiencePath(audience: string): string {
  const plain = /%2f/i.test(audience) && !audience.includes('/') ? decodePart(audience) : audience;
  return splitResource(plain ?? audience).path;
}

function covers(granted: string, path: string): boolean {
  const [above, below] = [granted.toLowerCase(), path.toLowerCase()];
  return above === '' || above === below || below.startsWith(`${above}/`);
}

export function createClaims(options: ClaimsOptions): Claims {
  const { clientCertificate, maxGrants, now, via } = options;
  const { authentication, policies } = options.engine;
  const policyGrants = new Map<string, PolicyGrant>();
  const devices = new Map<string, DeviceAuth>();

  const valid = (expiresAtMs: number | undefined) => expiresAtMs === undefined || expiresAtMs > now();

  function checkRoom(): void {
    if (policyGrants.size + devices.size < maxGrants) return;
    for (const [path, { auth }] of policyGrants) if (!valid(auth.expiresAtMs)) policyGrants.delete(path);
    for (const [deviceId, { expiresAtMs }] of devices) if (!valid(expiresAtMs)) devices.delete(deviceId);
    if (policyGrants.size + devices.size >= maxGrants)
      throw new HubError('Unauthorized', `More than ${maxGrants} tokens were put to one connection`);
  }

  function putPolicy(path: string, resource: string, token: string): void {
    const name = parseSas(token)?.policyName;
    const rights = name === undefined ? undefined : policies.get(name)?.rights;
    const need =
      rights?.includes('DeviceConnect') && !rights.includes('ServiceConnect')
        ? 'DeviceConnect'
        : 'ServiceConnect';
    const dialect = /^sb:/i.test(resource) ? 'eventhub' : 'iothub';
    const auth = authentication.authorizePolicy({ token, resource, need, dialect, via });
    policyGrants.set(path, { path, token, auth });
  }

  function putDevice(deviceId: string, token: string, audience?: string): DeviceAuth {
    const auth = authentication.authenticateDevice({ deviceId, sasToken: token, audience, via });
    devices.set(deviceId, auth);
    return auth;
  }

  function policyFor(right: AccessRight, path: string): PolicyGrant | undefined {
    for (const grant of policyGrants.values())
      if (grant.auth.rights.includes(right) && valid(grant.auth.expiresAtMs) && covers(grant.path, path))
        return grant;
    return undefined;
  }

  return {
    put(audience, token) {
      const path = audiencePath(audience);
      const encoded = devicePattern.exec(path)?.[1];
      const deviceId = encoded === undefined ? undefined : decodePart(encoded);
      if (deviceId === undefined) {
        if (!policyGrants.has(path)) checkRoom();
        putPolicy(path, /^sb:/i.test(audience) ? audience : `host/${path}`, token);
        return undefined;
      }
      if (!devices.has(deviceId)) checkRoom();
      return putDevice(deviceId, token, `host/devices/${deviceId}`);
    },
    putPlain({ kind, name, token }) {
      if (kind === 'device') putDevice(name, token);
      else putPolicy('', '', token);
    },
    allows: (right, path) => policyFor(right, path) !== undefined,
    device(deviceId) {
      const known = devices.get(deviceId);
      if (known !== undefined && valid(known.expiresAtMs)) return known;
      const grant = policyFor('DeviceConnect', `devices/${deviceId}`);
      if (grant !== undefined) return putDevice(deviceId, grant.token);
      const auth = authentication.authenticateDevice({ deviceId, clientCertificate, via });
      checkRoom();
      devices.set(deviceId, auth);
      return auth;
    },
    allowsDevice(deviceId) {
      const auth = devices.get(deviceId);
      return (
        (auth !== undefined && valid(auth.expiresAtMs)) ||
        policyFor('DeviceConnect', `devices/${deviceId}`) !== undefined
      );
    },
    get any() {
      return (
        clientCertificate !== undefined ||
        [...policyGrants.values()].some(({ auth }) => valid(auth.expiresAtMs)) ||
        [...devices.values()].some(({ expiresAtMs }) => valid(expiresAtMs))
      );
    },
  };
}
