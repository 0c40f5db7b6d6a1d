/**
 * The check of a client's certificate chain against authorities that are trusted (RFC 5280 §6, as far as devices need it:
 * signatures, names, validity and CA flags; no revocation lists, as in IoT Hub).
 */
import { createHash, X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';

/** What a TLS client presented: its own certificate, and the intermediate certificates that came with it. All DER. */
export type ClientCertificate = { der: Buffer; chain: readonly Buffer[] };

export type ChainFailure =
  | 'malformed'
  | 'no-authority'
  | 'untrusted'
  | 'expired'
  | 'not-yet-valid'
  | 'not-a-ca'
  | 'chain-too-long';

export type ChainVerdict =
  | {
      ok: true;
      /** Of the client's certificate; undefined when it has none, or several. */
      commonName: string | undefined;
      /** The trusted end of the chain. */
      authority: X509Certificate;
    }
  | { ok: false; reason: ChainFailure /** A clause for the log. */; detail: string };

export type ChainCheck = {
  certificate: ClientCertificate;
  authorities: readonly X509Certificate[];
  nowMs: number;
};

type Failure = Extract<ChainVerdict, { ok: false }>;

/** Intermediate certificates that are looked at; more are refused, because each may cost a signature check per step. */
const maxChainLength = 10;

function fail(reason: ChainFailure, detail: string): Failure {
  return { ok: false, reason, detail };
}

/** A distinguished name on one line. */
function oneLine(name: string): string {
  return name.replaceAll('\n', ', ');
}

function parse(der: Buffer): X509Certificate | undefined {
  try {
    return new X509Certificate(der);
  } catch {
    return undefined;
  }
}

function validity(certificate: X509Certificate, nowMs: number): Failure | undefined {
  const subject = oneLine(certificate.subject);
  if (certificate.validFromDate.getTime() > nowMs) {
    return fail('not-yet-valid', `the certificate "${subject}" is valid only from ${certificate.validFrom}`);
  }
  if (certificate.validToDate.getTime() < nowMs) {
    return fail('expired', `the certificate "${subject}" expired on ${certificate.validTo}`);
  }
  return undefined;
}

function isSignedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

function commonNameOf(certificate: X509Certificate): string | undefined {
  const name: unknown = certificate.toLegacyObject().subject?.CN;
  return typeof name === 'string' ? name : undefined;
}

/** Follows a presented chain up to one of the authorities. Never throws. */
export function verifyChain({ certificate, authorities, nowMs }: ChainCheck): ChainVerdict {
  const client = parse(certificate.der);
  if (client === undefined) return fail('malformed', 'the client certificate cannot be read');
  if (authorities.length === 0) return fail('no-authority', 'no certificate authority is registered');
  if (certificate.chain.length > maxChainLength) {
    return fail('chain-too-long', `the client sent ${certificate.chain.length} further certificates`);
  }
  const presented = certificate.chain.map(parse).filter((each) => each !== undefined);

  // Each is tried once: whether an authority lies above it does not depend on the way to it, and ten certificates that
  // all sign each other would otherwise make millions of ways.
  const untried = new Set(presented);

  function climb(from: X509Certificate): X509Certificate | Failure {
    const invalid = validity(from, nowMs);
    if (invalid !== undefined) return invalid;
    const authority = authorities.find((each) => isSignedBy(from, each));
    if (authority !== undefined) return validity(authority, nowMs) ?? authority;
    let failure = fail(
      'untrusted',
      `no registered authority signed it; its issuer is "${oneLine(from.issuer)}"`,
    );
    for (const issuer of presented) {
      if (!untried.has(issuer) || !isSignedBy(from, issuer)) continue;
      untried.delete(issuer);
      const end = issuer.ca
        ? climb(issuer)
        : fail('not-a-ca', `its issuer "${oneLine(issuer.subject)}" is not a certificate authority`);
      if (end instanceof X509Certificate) return end;
      failure = end;
    }
    return failure;
  }

  const end = climb(client);
  if (!(end instanceof X509Certificate)) return end;
  return { ok: true, commonName: commonNameOf(client), authority: end };
}

/** SHA-1 and SHA-256 of a DER certificate, upper-case hexadecimal: the two thumbprints that IoT Hub knows. */
export function thumbprintsOf(der: Buffer): { sha1: string; sha256: string } {
  const digest = (algorithm: string) => createHash(algorithm).update(der).digest('hex').toUpperCase();
  return { sha1: digest('sha1'), sha256: digest('sha256') };
}

/**
 * The certificate that a TLS client presented; undefined without one. The handshake has proved that the client owns its
 * key, and nothing more: the server must run with `requestCert: true, rejectUnauthorized: false`.
 */
export function clientCertificateOf(socket: TLSSocket): ClientCertificate | undefined {
  const leaf = socket.getPeerX509Certificate();
  if (leaf === undefined) return undefined;
  const chain: Buffer[] = [];
  let each = leaf.issuerCertificate;
  // A self-signed end may name itself as its issuer.
  while (each !== undefined && chain.length <= maxChainLength && !each.raw.equals(chain.at(-1) ?? leaf.raw)) {
    chain.push(each.raw);
    each = each.issuerCertificate;
  }
  return { der: leaf.raw, chain };
}
