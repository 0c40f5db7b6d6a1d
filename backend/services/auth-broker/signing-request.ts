/** Reads a PKCS #10 signing request (RFC 2986): only its key counts, and that whoever asks holds it. */
import 'reflect-metadata';
import { createHash } from 'node:crypto';
import { Pkcs10CertificateRequest, type PublicKey } from '@peculiar/x509';
import { refuse } from './refusal.ts';

export type SigningRequest = {
  publicKey: PublicKey;
  /** SHA-256 of the key (SubjectPublicKeyInfo) in hex. */
  keyDigest: string;
};

const curves = new Set(['P-256', 'P-384']);

/** Refuses with `signing_request_rejected` what is no request, is not signed by its own key, or has a key of another kind. */
export async function readSigningRequest(der: Uint8Array): Promise<SigningRequest> {
  const rejected = (problem: string) => refuse({ kind: 'signing_request_rejected', problem });
  let request: Pkcs10CertificateRequest;
  try {
    request = new Pkcs10CertificateRequest(Uint8Array.from(der));
  } catch {
    return rejected('it is no PKCS #10 request in DER');
  }
  const { publicKey } = request;
  const { name, namedCurve } = publicKey.algorithm as { name: string; namedCurve?: string };
  if (!name.startsWith('EC') || namedCurve === undefined || !curves.has(namedCurve)) {
    return rejected('its key must be of the curve P-256 or P-384');
  }
  const isSigned = await request.verify().catch(() => false);
  if (!isSigned) return rejected('its signature does not match its key');
  const keyDigest = createHash('sha256').update(new Uint8Array(publicKey.rawData)).digest('hex');
  return { publicKey, keyDigest };
}
