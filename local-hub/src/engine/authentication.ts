/**
 * The only place that decides who may in: devices by SAS or certificate, services by SAS of a shared access policy.
 * Refusals are HubError `Unauthorized` without details; why is told to the hub's log, never to the client.
 */
import { timingSafeEqual } from 'node:crypto';
import type { Log } from '../diagnostics.ts';
import type { Authorities } from './authorities.ts';
import type { Clock } from './clock.ts';
import { HubError } from './error.ts';
import type { DeviceRecord, Thumbprints } from './identity.ts';
import type { AccessRight, Policies } from './policies.ts';
import type { Registry } from './registry.ts';
import {
  parseSas,
  type SasDialect,
  type SasFailure,
  type SasToken,
  splitResource,
  verifySas,
} from './sas.ts';
import { type ChainFailure, type ClientCertificate, thumbprintsOf, verifyChain } from './x509-trust.ts';

/** As in the `iothub-connection-auth-method` annotation of device-to-cloud messages. */
export type AuthMethod = {
  scope: 'device' | 'hub';
  type: 'sas' | 'x509Certificate';
  issuer: 'iothub' | 'external';
};

export type DeviceAuth = {
  deviceId: string;
  generationId: string;
  authMethod: AuthMethod;
  /** When the SAS token ends; undefined for certificates. */
  expiresAtMs?: number | undefined;
};

export type PolicyAuth = { policyName: string; rights: readonly AccessRight[]; expiresAtMs: number };

/** For the log: over which protocol somebody came, and from where. */
export type Via = { protocol: string; remote: string };

export type DeviceCredentials = {
  deviceId: string;
  /** Decides when it is given, even beside a certificate. */
  sasToken?: string | undefined;
  /** The resource that the client named (AMQP's audience); default `devices/{deviceId}`. */
  audience?: string | undefined;
  clientCertificate?: ClientCertificate | undefined;
  via?: Via | undefined;
};

export type PolicyCredentials = {
  token: string;
  /** What is accessed, for example `localhost:18443` or `sb://localhost:18443/hub/…`. */
  resource: string;
  need: AccessRight;
  dialect: SasDialect;
  via?: Via | undefined;
};

export type Authentication = {
  /** Throws HubError `Unauthorized`, or `DeviceDisabled` when the credentials are right but the device is disabled. */
  authenticateDevice(credentials: DeviceCredentials): DeviceAuth;
  /** Throws HubError `Unauthorized`. */
  authorizePolicy(credentials: PolicyCredentials): PolicyAuth;
};

export type AuthenticationOptions = {
  registry: Pick<Registry, 'record'>;
  policies: Policies;
  authorities: Pick<Authorities, 'certificates'>;
  clock: Pick<Clock, 'now'>;
  log: Log;
};

/** Every reason for which somebody is kept out. */
export type RefusalReason =
  | SasFailure
  | ChainFailure
  | 'unknown-device'
  | 'no-credentials'
  | 'wrong-type'
  | 'wrong-thumbprint'
  | 'wrong-name'
  | 'missing-right'
  | 'disabled';

type Refusal = { reason: RefusalReason /** A clause for the log. */; detail: string };

const malformed: Refusal = { reason: 'malformed', detail: 'the SAS token is malformed' };

/** What to do about it, for the person who reads the log. */
const remedies: Partial<Record<RefusalReason, string>> = {
  malformed: 'Sign it as SharedAccessSignature sr=…&sig=…&se=…; the SDKs do so from a connection string',
  'wrong-resource': 'Sign the token for the resource that is used',
  expired: 'Make a new one, and compare the clocks of client and hub',
  'unknown-policy': 'Use iothubowner, service, device, registryRead or registryReadWrite',
  'wrong-key': "Compare the client's key with the registered one",
  'wrong-dialect': 'Use a connection string of the right kind for this endpoint',
  'unknown-device': 'Create the device first; ids differ by case',
  'no-credentials': 'Send a SAS token, or a client certificate in the TLS handshake',
  'wrong-type': "Connect as the device's authentication.type says, or update the device",
  'wrong-thumbprint': "Update the device's x509Thumbprint, or present the right certificate",
  'wrong-name': "The certificate's common name must be the device id",
  'no-authority': 'Add the authority that signed it to the hub',
  untrusted: 'Add the authority that signed it to the hub, or send the intermediate certificates with it',
  'missing-right': 'Use a policy with this right',
  disabled: 'Set its status to enabled',
};

function sameText(one: string, other: string): boolean {
  const [first, second] = [Buffer.from(one), Buffer.from(other)];
  return first.length === second.length && timingSafeEqual(first, second);
}

function thumbprintMatches(certificate: ClientCertificate, registered: Thumbprints): boolean {
  const { sha1, sha256 } = thumbprintsOf(certificate.der);
  return [registered.primaryThumbprint, registered.secondaryThumbprint].some(
    (thumbprint) => thumbprint !== null && (sameText(thumbprint, sha1) || sameText(thumbprint, sha256)),
  );
}

/** Creates the gate. It keeps nothing of its own. */
export function createAuthentication(options: AuthenticationOptions): Authentication {
  const { registry, policies, authorities, clock, log } = options;

  function refuse(who: string, refusal: Refusal, via: Via | undefined, deviceId?: string): HubError {
    const { reason, detail } = refusal;
    // Without the port, which would make each attempt a new finding of its own.
    const from = via === undefined ? '' : ` over ${via.protocol} from ${via.remote.replace(/:\d+$/, '')}`;
    const next = remedies[reason];
    log.warn({
      what: `${who} refused${from}`,
      reason: detail,
      ...(deviceId !== undefined && { deviceId }),
      ...(next !== undefined && { next }),
    });
    if (reason === 'disabled') {
      return new HubError('DeviceDisabled', `Device "${deviceId}" is disabled. Set its status to enabled`);
    }
    const name = deviceId === undefined ? who : `${who} "${deviceId.slice(0, 140)}"`;
    return new HubError('Unauthorized', `${name} is not authorized. The hub's log says why`);
  }

  function checkSas(
    token: SasToken,
    keys: readonly (string | null)[],
    path: string,
    dialect: SasDialect,
  ): Refusal | undefined {
    const known = keys.filter((key) => key !== null);
    const verdict = verifySas({ token, keys: known, dialect, path, nowMs: clock.now() });
    return verdict.ok ? undefined : verdict;
  }

  function byPolicy(
    token: SasToken,
    path: string,
    need: AccessRight,
    dialect: SasDialect,
  ): PolicyAuth | Refusal {
    const name = token.policyName ?? '';
    const policy = policies.get(name);
    if (policy === undefined) return { reason: 'unknown-policy', detail: `the hub has no policy "${name}"` };
    const { primaryKey, secondaryKey, rights } = policy;
    const refusal = checkSas(token, [primaryKey, secondaryKey], path, dialect);
    if (refusal !== undefined) return refusal;
    if (rights.includes(need)) return { policyName: policy.name, rights, expiresAtMs: token.expiresAtMs };
    return { reason: 'missing-right', detail: `the policy "${policy.name}" does not have the right ${need}` };
  }

  function bySas(record: DeviceRecord, text: string, audience: string | undefined): DeviceAuth | Refusal {
    const { deviceId, generationId, authentication } = record;
    const token = parseSas(text);
    if (token === undefined) return malformed;
    const path = `devices/${deviceId}`;
    const named = audience === undefined ? path : splitResource(audience).path;
    if (named !== path && !named.startsWith(`${path}/`)) {
      return { reason: 'wrong-resource', detail: `the audience "${named}" is not "${path}"` };
    }
    const accepted = (scope: AuthMethod['scope']): DeviceAuth => ({
      deviceId,
      generationId,
      authMethod: { scope, type: 'sas', issuer: 'iothub' },
      expiresAtMs: token.expiresAtMs,
    });
    // A policy with DeviceConnect may speak for any device: that is what gateways use.
    if (token.policyName !== undefined && policies.get(token.policyName) !== undefined) {
      const decision = byPolicy(token, path, 'DeviceConnect', 'iothub');
      return 'reason' in decision ? decision : accepted('hub');
    }
    if (authentication.type !== 'sas') {
      const detail = `it sent a SAS token, but is registered with authentication.type ${authentication.type}`;
      return { reason: 'wrong-type', detail };
    }
    const { primaryKey, secondaryKey } = authentication.symmetricKey;
    return checkSas(token, [primaryKey, secondaryKey], path, 'iothub') ?? accepted('device');
  }

  function byCertificate(record: DeviceRecord, certificate: ClientCertificate): DeviceAuth | Refusal {
    const { deviceId, generationId, authentication } = record;
    const authMethod = { scope: 'device', type: 'x509Certificate', issuer: 'external' } as const;
    const accepted: DeviceAuth = { deviceId, generationId, authMethod };
    if (authentication.type === 'selfSigned') {
      if (thumbprintMatches(certificate, authentication.x509Thumbprint)) return accepted;
      const { sha256 } = thumbprintsOf(certificate.der);
      const detail = `its certificate has the SHA-256 thumbprint ${sha256}, which is not registered`;
      return { reason: 'wrong-thumbprint', detail };
    }
    if (authentication.type === 'certificateAuthority') {
      const verdict = verifyChain({
        certificate,
        authorities: authorities.certificates(),
        nowMs: clock.now(),
      });
      if (!verdict.ok) return verdict;
      if (verdict.commonName === deviceId) return accepted;
      const detail = `its certificate's common name is "${verdict.commonName ?? ''}"`;
      return { reason: 'wrong-name', detail };
    }
    const detail = `it sent a certificate, but is registered with authentication.type ${authentication.type}`;
    return { reason: 'wrong-type', detail };
  }

  function decide(credentials: DeviceCredentials): DeviceAuth | Refusal {
    const { deviceId, sasToken, audience, clientCertificate } = credentials;
    const record = registry.record(deviceId);
    if (record === undefined) return { reason: 'unknown-device', detail: 'it is not registered' };
    const none: Refusal = {
      reason: 'no-credentials',
      detail: 'it sent neither a SAS token nor a certificate',
    };
    let decision: DeviceAuth | Refusal = none;
    if (sasToken) decision = bySas(record, sasToken, audience);
    else if (clientCertificate !== undefined) decision = byCertificate(record, clientCertificate);
    if ('reason' in decision || record.status === 'enabled') return decision;
    return { reason: 'disabled', detail: 'it is disabled in the registry' };
  }

  return {
    authenticateDevice(credentials) {
      const decision = decide(credentials);
      if (!('reason' in decision)) return decision;
      throw refuse('Device', decision, credentials.via, credentials.deviceId);
    },
    authorizePolicy({ token: text, resource, need, dialect, via }) {
      const token = parseSas(text);
      const decision = token ? byPolicy(token, splitResource(resource).path, need, dialect) : malformed;
      if (!('reason' in decision)) return decision;
      throw refuse('Service', decision, via);
    },
  };
}
