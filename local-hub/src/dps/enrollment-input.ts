/**
 * Checks what a caller says about an enrollment and completes it. Fields that this implementation does not act upon are
 * ignored; what it cannot do (TPM, custom allocation) is refused.
 */
import { X509Certificate } from 'node:crypto';
import { generateKey } from '../engine/policies.ts';
import type { JsonObject } from '../engine/twin.ts';
import { certificateInfoOf } from './certificate-info.ts';
import type { Attestation, CertificatePair, EnrolledCertificate, EnrollmentTerms } from './enrollment.ts';
import { ProvisioningError } from './error.ts';

/** What of an enrollment a caller may choose. */
export type ChosenTerms = Omit<EnrollmentTerms, 'etag' | 'createdDateTimeUtc' | 'lastUpdatedDateTimeUtc'>;

const maxPemLength = 16_384;

export const invalid = (problem: string): ProvisioningError =>
  new ProvisioningError('ArgumentInvalid', problem);

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The object in a field; undefined when it is absent or null. */
function objectIn(container: Record<string, unknown>, name: string): Record<string, unknown> | undefined {
  const value = container[name];
  if (value === undefined || value === null) return undefined;
  if (isObject(value)) return value;
  throw invalid(`${name} must be an object`);
}

/** The text in a field; undefined when it is absent, null or empty. */
export function textIn(container: Record<string, unknown>, name: string): string | undefined {
  const value = container[name];
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value === 'string') return value;
  throw invalid(`${name} must be text`);
}

function readKey(keys: Record<string, unknown>, name: string): string | undefined {
  const key = textIn(keys, name);
  if (key === undefined) return undefined;
  const bytes = /^[A-Za-z0-9+/]+={0,2}$/.test(key) ? Buffer.from(key, 'base64').length : 0;
  if (bytes < 16 || bytes > 64)
    throw invalid(`${name} must be base64 of 16 to 64 bytes. Leave it out to have one generated`);
  return key;
}

function readCertificate(container: Record<string, unknown>, name: string): EnrolledCertificate | undefined {
  const given = objectIn(container, name);
  const pem = given && textIn(given, 'certificate');
  if (pem === undefined) return undefined;
  if (pem.length > maxPemLength) throw invalid(`${name} is longer than ${maxPemLength} characters`);
  try {
    // The service takes PEM, and the same base64 without its first and last line.
    const certificate = new X509Certificate(pem.includes('-----BEGIN') ? pem : Buffer.from(pem, 'base64'));
    return { certificate: certificate.toString(), info: certificateInfoOf(certificate) };
  } catch (cause) {
    throw new ProvisioningError('ArgumentInvalid', `The ${name} certificate cannot be read`, { cause });
  }
}

/** The pair in a field: new certificates where they are given, those of `current` where only their info is repeated. */
function readPair(
  container: Record<string, unknown>,
  name: string,
  current: CertificatePair | undefined,
): CertificatePair | undefined {
  const given = objectIn(container, name);
  if (given === undefined) return undefined;
  const primary = readCertificate(given, 'primary') ?? (objectIn(given, 'primary') && current?.primary);
  const secondary =
    readCertificate(given, 'secondary') ?? (objectIn(given, 'secondary') && current?.secondary);
  if (primary === undefined) throw invalid(`${name} needs a primary certificate`);
  return { primary, ...(secondary !== undefined && { secondary }) };
}

function pairOf(attestation: Attestation | undefined, name: 'clientCertificates' | 'signingCertificates') {
  if (attestation?.type !== 'x509') return undefined;
  const { x509 } = attestation;
  if (name === 'clientCertificates')
    return 'clientCertificates' in x509 ? x509.clientCertificates : undefined;
  return 'signingCertificates' in x509 ? x509.signingCertificates : undefined;
}

function readX509(given: Record<string, unknown>, current: Attestation | undefined): Attestation {
  const clientCertificates = readPair(given, 'clientCertificates', pairOf(current, 'clientCertificates'));
  if (clientCertificates) return { type: 'x509', x509: { clientCertificates } };
  const signingCertificates = readPair(given, 'signingCertificates', pairOf(current, 'signingCertificates'));
  if (signingCertificates) return { type: 'x509', x509: { signingCertificates } };
  const references = objectIn(given, 'caReferences');
  const primary = references && textIn(references, 'primary');
  const secondary = references && textIn(references, 'secondary');
  if (primary === undefined)
    throw invalid('x509 needs clientCertificates, signingCertificates or caReferences with a primary');
  return { type: 'x509', x509: { caReferences: { primary, ...(secondary !== undefined && { secondary }) } } };
}

function readAttestation(
  given: Record<string, unknown> | undefined,
  current: Attestation | undefined,
): Attestation {
  switch (given?.type) {
    case 'symmetricKey': {
      const keys = objectIn(given, 'symmetricKey') ?? {};
      const kept = current?.type === 'symmetricKey' ? current.symmetricKey : undefined;
      return {
        type: 'symmetricKey',
        symmetricKey: {
          primaryKey: readKey(keys, 'primaryKey') ?? kept?.primaryKey ?? generateKey(),
          secondaryKey: readKey(keys, 'secondaryKey') ?? kept?.secondaryKey ?? generateKey(),
        },
      };
    }
    case 'x509':
      return readX509(objectIn(given, 'x509') ?? {}, current);
    default:
      throw invalid('attestation.type must be symmetricKey or x509; the local hub has no TPM attestation');
  }
}

function readTwin(given: Record<string, unknown> | undefined): EnrollmentTerms['initialTwin'] {
  if (given === undefined) return undefined;
  const tags = objectIn(given, 'tags');
  const properties = objectIn(given, 'properties');
  const desired = properties && objectIn(properties, 'desired');
  // What arrived as JSON holds JSON only.
  return {
    ...(tags && { tags: tags as JsonObject }),
    ...(desired && { properties: { desired: desired as JsonObject } }),
  };
}

/** Reads the terms in `body`. `current` is the enrollment that it changes: keys and certificates left out are kept. */
export function readTerms(body: Record<string, unknown>, current?: EnrollmentTerms): ChosenTerms {
  const status = textIn(body, 'provisioningStatus') ?? 'enabled';
  if (status !== 'enabled' && status !== 'disabled')
    throw invalid('provisioningStatus must be enabled or disabled');
  if (textIn(body, 'allocationPolicy') === 'custom')
    throw invalid('The local hub assigns devices to itself; allocationPolicy custom is not implemented');
  const policy = objectIn(body, 'reprovisionPolicy');
  const initialTwin = readTwin(objectIn(body, 'initialTwin'));
  return {
    attestation: readAttestation(objectIn(body, 'attestation'), current?.attestation),
    capabilities: { iotEdge: objectIn(body, 'capabilities')?.iotEdge === true },
    ...(initialTwin && { initialTwin }),
    provisioningStatus: status,
    reprovisionPolicy: {
      updateHubAssignment: policy?.updateHubAssignment !== false,
      migrateDeviceData: policy?.migrateDeviceData !== false,
    },
  };
}
