/**
 * Whom X.509 devices are trusted through: certificate authorities that were uploaded, and the check of a presented
 * chain against them. Azure's "proof of possession" of an authority is not asked for: whoever can reach the admin
 * call of a local hub is its owner.
 */
import type { X509Certificate } from 'node:crypto';

/** What a TLS client presented: its own certificate, and the intermediate certificates that came with it. All DER. */
export type ClientCertificate = { der: Buffer; chain: readonly Buffer[] };

export type Authority = {
  name: string;
  certificatePem: string;
  /** SHA-1 of the DER certificate, upper-case hexadecimal, as Azure shows it. */
  thumbprint: string;
  subject: string;
  /** RFC 3339. */
  expiry: string;
  createdTime: string;
};

export type ChainFailure =
  | 'malformed'
  | 'no-authority'
  | 'untrusted'
  | 'expired'
  | 'not-yet-valid'
  | 'not-a-ca'
  | 'chain-too-long';

export type ChainVerdict =
  | { ok: true; commonName: string | undefined; authority: X509Certificate }
  | { ok: false; reason: ChainFailure; detail: string };

export type Authorities = {
  /** Throws HubError `ArgumentInvalid` when it is not one certificate of a CA. */
  add(options: { name: string; certificatePem: string }): Promise<Authority>;
  remove(name: string): Promise<boolean>;
  list(): Authority[];
  certificates(): readonly X509Certificate[];
};

/** Follows a presented chain up to one of `authorities`, checking signatures, validity and CA flags (RFC 5280 §6). */
export declare function verifyChain(options: {
  certificate: ClientCertificate;
  authorities: readonly X509Certificate[];
  nowMs: number;
}): ChainVerdict;

/** SHA-1 and SHA-256 of a DER certificate, upper-case hexadecimal. */
export declare function thumbprintsOf(der: Buffer): { sha1: string; sha256: string };
