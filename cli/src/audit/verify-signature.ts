/** Whether a decision was signed by the device that it is filed under, with a key that somebody vouches for. */
import { createHash, createPublicKey, type KeyObject, verify, X509Certificate } from 'node:crypto';
import { create, equals } from '@bufbuild/protobuf';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import { ConsentSchema, SignatureAlgorithm } from '@iotdh/proto/agent/v1';
import type { Finding, FindingKind } from './finding.ts';
import type { SignedConsent } from './read-trail.ts';

export type Trust = {
  /** Certificates of authorities whose devices are trusted. */
  roots: readonly X509Certificate[];
  /** SHA-256 over the key of a device without a certificate, lower-case hex, by device id. */
  deviceKeys: ReadonlyMap<string, readonly string[]>;
};

const signedPrefix = Buffer.from('iotdh.agent.v1.ConsentStatement\0', 'ascii');

/** Null: it is as the device signed it. */
export function verifySignature(signed: SignedConsent, trust: Trust): Finding | null {
  const { deviceId, consent, statement } = signed;
  const found = (kind: FindingKind, detail: string): Finding => ({
    ...{ kind, deviceId, subject: consent.consentId, detail },
  });
  const { evidence } = consent;
  if (evidence === undefined) return found('unsigned', 'it carries no evidence');
  if (evidence.algorithm !== SignatureAlgorithm.ECDSA_P256_SHA256) {
    return found('tampered', `its algorithm ${evidence.algorithm} is none of the contract`);
  }
  const keys = keysOf(evidence.certificates, evidence.publicKey);
  if (keys === null) return found('tampered', 'its certificates, or its key, cannot be read');
  const [certificate] = keys.certificates;
  const bytes = Buffer.concat([signedPrefix, evidence.statement]);
  if (!isSignatureOf(keys.key, bytes, evidence.signature)) {
    return found('tampered', 'the signature does not fit what was signed');
  }
  const { evidence: _apart, ...beside } = consent;
  if (
    statement.consent === undefined ||
    !equals(ConsentSchema, create(ConsentSchema, beside), statement.consent)
  ) {
    return found('tampered', `what it says is not what ${statement.deviceId} signed`);
  }
  if (statement.deviceId !== deviceId) {
    return found('foreign', `it was signed for ${statement.deviceId} and is filed under ${deviceId}`);
  }
  if (certificate === undefined) {
    const fingerprint = createHash('sha256').update(evidence.publicKey).digest('hex');
    if (trust.deviceKeys.get(deviceId)?.includes(fingerprint)) return null;
    const advice = `if the device shows the same, give --device-key ${deviceId}=${fingerprint}`;
    return found('untrusted', `no certificate vouches for its key; ${advice}`);
  }
  const { CN: name } = certificate.toLegacyObject().subject as { CN?: string };
  if (name !== deviceId) return found('foreign', `it was signed with the certificate of ${name ?? 'nobody'}`);
  const broken = chainProblem(keys.certificates, trust.roots, timestampMs(statement.consent.time!));
  return broken && found(broken.kind, broken.detail);
}

type Keys = { key: KeyObject; certificates: X509Certificate[] };

function keysOf(chain: readonly Uint8Array[], publicKey: Uint8Array): Keys | null {
  try {
    const certificates = chain.map((der) => new X509Certificate(der));
    const key =
      certificates[0]?.publicKey ??
      createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' });
    return key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1'
      ? { key, certificates }
      : null;
  } catch {
    return null;
  }
}

function isSignatureOf(key: KeyObject, bytes: Uint8Array, signature: Uint8Array): boolean {
  try {
    return verify('sha256', bytes, key, signature);
  } catch {
    return false;
  }
}

type ChainProblem = { kind: 'untrusted' | 'not_valid_then'; detail: string };

/** From the device's certificate over each issuer to a root (RFC 5280 section 6.1: signature, names, CA, validity). */
function chainProblem(
  chain: readonly X509Certificate[],
  roots: readonly X509Certificate[],
  timeMs: number,
): ChainProblem | null {
  let path = chain;
  for (const [index, certificate] of chain.entries()) {
    const root = roots.find((one) => isIssuedBy(certificate, one));
    if (root !== undefined) {
      path = [...chain.slice(0, index + 1), root];
      break;
    }
    const issuer = chain[index + 1];
    if (issuer === undefined || !isIssuedBy(certificate, issuer)) {
      return { kind: 'untrusted', detail: `no given root has issued ${subjectOf(certificate)}` };
    }
  }
  const early = path.find(
    ({ validFromDate, validToDate }) => timeMs < validFromDate.getTime() || timeMs > validToDate.getTime(),
  );
  if (early === undefined) return null;
  const then = new Date(timeMs).toISOString();
  const span = `${early.validFromDate.toISOString()} to ${early.validToDate.toISOString()}`;
  return {
    kind: 'not_valid_then',
    detail: `${subjectOf(early)} is valid from ${span}, the decision is of ${then}`,
  };
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

const subjectOf = ({ subject }: X509Certificate): string => subject.replaceAll('\n', ', ');
