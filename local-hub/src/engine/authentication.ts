/**
 * The only place that decides who may in: devices by SAS or certificate, services by SAS of a shared access policy.
 * Refusals are HubError `Unauthorized`; why is told to the log of the hub, never to the client.
 */
import type { AccessRight } from './policies.ts';
import type { SasDialect } from './sas.ts';
import type { ClientCertificate } from './x509-trust.ts';

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

export type DeviceCredentials = {
  deviceId: string;
  sasToken?: string | undefined;
  /** The resource that the client named (AMQP's audience); default `{host}/devices/{deviceId}`. */
  audience?: string | undefined;
  clientCertificate?: ClientCertificate | undefined;
  /** For the log: how it came, and from where. */
  via?: { protocol: string; remote: string } | undefined;
};

export type PolicyCredentials = {
  token: string;
  /** What is accessed, for example `localhost:18443` or `sb://localhost:18443/hub/…`. */
  resource: string;
  need: AccessRight;
  dialect: SasDialect;
  via?: { protocol: string; remote: string } | undefined;
};

export type Authentication = {
  /** Throws HubError `Unauthorized`, or `DeviceDisabled` when the credentials are right but the device is disabled. */
  authenticateDevice(credentials: DeviceCredentials): DeviceAuth;
  /** Throws HubError `Unauthorized`. */
  authorizePolicy(credentials: PolicyCredentials): PolicyAuth;
};
