/**
 * Makes one X.509 certificate with a new P-256 key: authorities, the hub's server certificate, and client certificates for
 * devices. The X.509 library is loaded when it is first needed, because most starts of the hub need no new certificate.
 */
import { createPrivateKey, KeyObject, randomBytes, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';

/** A certificate and its private key (PKCS #8), both PEM. */
export type IssuedCertificate = { certPem: string; keyPem: string };

export type CertificateRequest = {
  commonName: string;
  /** `authority` may sign others, `server` is for TLS servers, `client` for devices. */
  kind: 'authority' | 'server' | 'client';
  validDays: number;
  /** The authority that signs; without it the certificate signs itself. */
  issuer?: IssuedCertificate;
  /** DNS names and IP addresses of a server. */
  names?: readonly string[];
  /** The present in ms since 1970. */
  nowMs: number;
};

const keyAlgorithm = { name: 'ECDSA', namedCurve: 'P-256' };
const signature = { name: 'ECDSA', hash: 'SHA-256' };
const dayMs = 86_400_000;
/** Certificates are valid from one hour ago, because a container's or a device's clock may be a little behind. */
const backdatedMs = 3_600_000;

async function loadX509() {
  // @peculiar/x509 finds the metadata polyfill as a global.
  await import('reflect-metadata');
  return import('@peculiar/x509');
}

type X509 = Awaited<ReturnType<typeof loadX509>>;

function extensionsOf(x509: X509, { kind, names = [] }: CertificateRequest) {
  const { KeyUsageFlags, ExtendedKeyUsage } = x509;
  if (kind === 'authority') {
    return [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ];
  }
  const purpose = kind === 'server' ? ExtendedKeyUsage.serverAuth : ExtendedKeyUsage.clientAuth;
  return [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension([purpose]),
    ...(names.length === 0
      ? []
      : [
          new x509.SubjectAlternativeNameExtension(
            names.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value })),
          ),
        ]),
  ];
}

/** A positive, unpredictable serial number of at most 20 octets (RFC 5280 §4.1.2.2). */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = 0x40 | ((bytes[0] ?? 0) & 0x3f);
  return bytes.toString('hex');
}

function importIssuerKey(keyPem: string) {
  const der = createPrivateKey(keyPem).export({ type: 'pkcs8', format: 'der' });
  return webcrypto.subtle.importKey('pkcs8', der, keyAlgorithm, false, ['sign']);
}

/** Makes the certificate. Throws when the issuer's key is not P-256. */
export async function issueCertificate(request: CertificateRequest): Promise<IssuedCertificate> {
  const { commonName, issuer, nowMs, validDays } = request;
  const x509 = await loadX509();
  const keys = await webcrypto.subtle.generateKey(keyAlgorithm, true, ['sign', 'verify']);
  // The structured form, because a common name in the string form could smuggle in further name parts.
  const subject = [{ CN: [commonName] }];
  const authority = issuer && new x509.X509Certificate(issuer.certPem);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject,
    issuer: authority?.subjectName ?? subject,
    notBefore: new Date(nowMs - backdatedMs),
    notAfter: new Date(nowMs + validDays * dayMs),
    publicKey: keys.publicKey,
    signingKey: issuer ? await importIssuerKey(issuer.keyPem) : keys.privateKey,
    signingAlgorithm: signature,
    extensions: [
      ...extensionsOf(x509, request),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(authority?.publicKey ?? keys.publicKey),
    ],
  });
  const keyPem = KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' }).toString();
  return { certPem: `${certificate.toString('pem')}\n`, keyPem };
}
