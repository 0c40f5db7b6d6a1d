/**
 * The broker's certificate authority. Its key and certificate are one file, made at the first run and readable by the broker alone;
 * who is to trust its devices gets the certificate.
 */
import 'reflect-metadata';
import { createHash, createPrivateKey, KeyObject, randomBytes, webcrypto } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { writeNewFile } from '@iotdh/trust/new-file';
import * as x509 from '@peculiar/x509';

export type IssuedCertificate = {
  /** In DER. */
  der: Buffer;
  /** SHA-256 of it, upper-case hex, as IoT Hub's registry has it. */
  thumbprint: string;
  notBefore: Date;
  notAfter: Date;
};

export type Authority = {
  /** What those trust who check its devices. */
  certificatePem: string;
  /** A client certificate for this key whose common name is the device's id. */
  issue(deviceId: string, publicKey: x509.PublicKey, nowMs: number): Promise<IssuedCertificate>;
};

const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
const signingAlgorithm = { name: 'ECDSA', hash: 'SHA-256' };
const dayMs = 86_400_000;
const authorityDays = 3650;
/** A device's clock may be a little behind. */
const backdatedMs = 3_600_000;
const maxFileBytes = 64 * 1024;

/** The authority in the file at `path`; at the first run it is made there. `deviceDays`: how long its certificates last. Throws when the file holds anything else or others can read it. */
export async function openAuthority(
  path: string,
  nowMs: number,
  { deviceDays = 365 }: { deviceDays?: number } = {},
): Promise<Authority> {
  const pem = read(path) ?? (await make(path, nowMs));
  const [certificatePem] = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(pem) ?? [];
  const [keyPem] = /-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----/.exec(pem) ?? [];
  if (certificatePem === undefined || keyPem === undefined) {
    throw new Error(`${path} holds no certificate authority`);
  }
  const authority = new x509.X509Certificate(certificatePem);
  const pkcs8 = createPrivateKey(keyPem).export({ type: 'pkcs8', format: 'der' });
  const signingKey = await webcrypto.subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign']);

  return {
    certificatePem: `${certificatePem}\n`,
    async issue(deviceId, publicKey, now) {
      const notBefore = wholeSeconds(now - backdatedMs);
      const notAfter = wholeSeconds(Math.min(now + deviceDays * dayMs, authority.notAfter.getTime()));
      const certificate = await x509.X509CertificateGenerator.create({
        serialNumber: serialNumber(),
        // The structured form: the string form would read further parts of a name out of an id.
        subject: [{ CN: [deviceId] }],
        issuer: authority.subjectName,
        notBefore,
        notAfter,
        publicKey,
        signingKey,
        signingAlgorithm,
        extensions: [
          new x509.BasicConstraintsExtension(false, undefined, true),
          new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
          new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth]),
          await x509.SubjectKeyIdentifierExtension.create(publicKey),
          await x509.AuthorityKeyIdentifierExtension.create(authority.publicKey),
        ],
      });
      const der = Buffer.from(certificate.rawData);
      return { der, thumbprint: thumbprintOf(der), notBefore, notAfter };
    },
  };
}

/** SHA-256, upper-case hex. */
export const thumbprintOf = (der: Uint8Array): string =>
  createHash('sha256').update(der).digest('hex').toUpperCase();

/** Certificates know no fractions. */
const wholeSeconds = (ms: number): Date => new Date(Math.floor(ms / 1000) * 1000);

/** Positive, unpredictable, at most 20 octets (RFC 5280 section 4.1.2.2). */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = 0x40 | ((bytes[0] ?? 0) & 0x3f);
  return bytes.toString('hex');
}

async function make(path: string, nowMs: number): Promise<string> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const { publicKey } = keys;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: ['IoT DICOM Hub devices'] }],
    notBefore: wholeSeconds(nowMs - backdatedMs),
    notAfter: wholeSeconds(nowMs + authorityDays * dayMs),
    keys,
    signingAlgorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
    ],
  });
  const keyPem = KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' });
  try {
    writeNewFile(path, `${certificate.toString('pem')}\n${keyPem}`);
  } catch (error) {
    // Another replica may have been faster: then the file is its own.
    if (!isCode(error, 'EEXIST')) throw error;
  }
  return read(path) ?? '';
}

function read(path: string): string | null {
  try {
    const { mode, size } = statSync(path);
    if (size > maxFileBytes) throw new Error(`${path} is too long for a certificate authority`);
    // Windows has no such bits.
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      throw new Error(`${path} can be read by other users; run chmod 600 on it`);
    }
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isCode(error, 'ENOENT')) return null;
    throw error;
  }
}

const isCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code;
