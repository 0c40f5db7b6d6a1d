/**
 * Whether a device that asks to be registered is one that is enrolled, and how it will authenticate with the hub afterwards:
 * with the same key, or with the same certificate.
 */
import type { X509Certificate } from 'node:crypto';
import type { DeviceSpec } from '../engine/identity.ts';
import { parseSas, verifySas } from '../engine/sas.ts';
import { type ClientCertificate, thumbprintsOf, verifyChain } from '../engine/x509-trust.ts';
import { deriveDeviceKey } from './device-key.ts';
import type { Attestation, EnrollmentGroup, IndividualEnrollment } from './enrollment.ts';

/** Who asks to be registered, with the proof that came with its connection. */
export type RegistrationCaller = {
  scopeId: string;
  registrationId: string;
  sasToken: string | undefined;
  clientCertificate: ClientCertificate | undefined;
  /** Address and port, for the log. */
  remote: string;
};

export type Proof =
  | { ok: true; authentication: NonNullable<DeviceSpec['authentication']> }
  /** A clause for the log. */
  | { ok: false; reason: string };

/** What the check needs to know of its surroundings. */
export type ProofContext = {
  nowMs: number;
  /** The certificate of an authority that was added to the hub by this name. */
  authority(name: string): X509Certificate | undefined;
  /** Reads a PEM that was checked when it was enrolled. */
  certificate(pem: string): X509Certificate;
};

const failed = (reason: string): Proof => ({ ok: false, reason });

function proveKey(
  { scopeId, registrationId, sasToken }: RegistrationCaller,
  keys: { primaryKey: string; secondaryKey: string },
  nowMs: number,
): Proof {
  if (sasToken === undefined) return failed('it gave no SAS token, which its enrollment asks for');
  const token = parseSas(sasToken);
  if (token === undefined) return failed('its SAS token is malformed');
  const verdict = verifySas({
    token,
    keys: [keys.primaryKey, keys.secondaryKey],
    dialect: 'iothub',
    path: `registrations/${registrationId}`,
    hosts: [scopeId],
    nowMs,
  });
  return verdict.ok
    ? { ok: true, authentication: { type: 'sas', symmetricKey: keys } }
    : failed(verdict.detail);
}

/** "The registration ID is provided by the subject common name (CN) of your device leaf certificate." */
function checkCommonName(commonName: string | undefined, registrationId: string): string | undefined {
  if (commonName?.toLowerCase() === registrationId.toLowerCase()) return undefined;
  return `the common name of its certificate is "${commonName ?? ''}", not the registration id`;
}

const selfSigned = (primaryThumbprint: string, secondaryThumbprint: string | null): Proof => ({
  ok: true,
  authentication: { type: 'selfSigned', x509Thumbprint: { primaryThumbprint, secondaryThumbprint } },
});

function proveCertificate(
  { registrationId, clientCertificate }: RegistrationCaller,
  { x509 }: Extract<Attestation, { type: 'x509' }>,
  context: ProofContext,
): Proof {
  if (clientCertificate === undefined)
    return failed('it presented no client certificate, which its enrollment asks for');
  const { sha256 } = thumbprintsOf(clientCertificate.der);
  if ('clientCertificates' in x509) {
    const { primary, secondary } = x509.clientCertificates;
    const enrolled = [primary, secondary].filter((each) => each !== undefined);
    const match = enrolled.find(({ info }) => info.sha256Thumbprint === sha256);
    if (match === undefined) return failed('its certificate is not the one that is enrolled');
    const { nowMs } = context;
    if (Date.parse(match.info.notAfterUtc) < nowMs || Date.parse(match.info.notBeforeUtc) > nowMs)
      return failed(
        `its certificate is valid from ${match.info.notBeforeUtc} to ${match.info.notAfterUtc} only`,
      );
    const subject = context.certificate(match.certificate).toLegacyObject().subject.CN;
    const problem = checkCommonName(typeof subject === 'string' ? subject : undefined, registrationId);
    if (problem !== undefined) return failed(problem);
    return selfSigned(primary.info.sha256Thumbprint, secondary?.info.sha256Thumbprint ?? null);
  }
  const authorities =
    'signingCertificates' in x509
      ? [x509.signingCertificates.primary, x509.signingCertificates.secondary].map(
          (each) => each && context.certificate(each.certificate),
        )
      : [x509.caReferences.primary, x509.caReferences.secondary].map(
          (name) => name && context.authority(name),
        );
  const verdict = verifyChain({
    certificate: clientCertificate,
    authorities: authorities.filter((each) => each !== undefined && each !== ''),
    nowMs: context.nowMs,
  });
  if (!verdict.ok) return failed(verdict.detail);
  const problem = checkCommonName(verdict.commonName, registrationId);
  return problem === undefined ? selfSigned(sha256, null) : failed(problem);
}

/** Proves that the caller is the one that is enrolled individually. */
export function proveIndividual(
  caller: RegistrationCaller,
  { attestation }: IndividualEnrollment,
  context: ProofContext,
): Proof {
  return attestation.type === 'x509'
    ? proveCertificate(caller, attestation, context)
    : proveKey(caller, attestation.symmetricKey, context.nowMs);
}

/** Proves that the caller belongs to the group. */
export function proveMember(
  caller: RegistrationCaller,
  { attestation }: EnrollmentGroup,
  context: ProofContext,
): Proof {
  if (attestation.type === 'x509') return proveCertificate(caller, attestation, context);
  const { primaryKey, secondaryKey } = attestation.symmetricKey;
  const keys = {
    primaryKey: deriveDeviceKey(primaryKey, caller.registrationId),
    secondaryKey: deriveDeviceKey(secondaryKey, caller.registrationId),
  };
  return proveKey(caller, keys, context.nowMs);
}
