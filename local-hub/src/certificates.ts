/**
 * The hub's own certificate authority and server certificate. Clients trust the authority once (`ca.pem`); it lasts ten
 * years, while the server certificate under it is renewed at start-up whenever it nears its end or lacks a name.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { secretMode, writeAtomically } from './atomic-file.ts';
import type { Log } from './diagnostics.ts';
import { type IssuedCertificate, issueCertificate } from './issue-certificate.ts';

export type Certificates = {
  /** What clients must trust. */
  caPem: string;
  /** Where `caPem` is on disk; undefined when there is no data directory. */
  caPath: string | undefined;
  server: IssuedCertificate;
  /** A client certificate whose common name is the device id, signed by `issuer` (default: the hub's authority). */
  issueClient(deviceId: string, options?: IssueOptions): Promise<IssuedCertificate>;
  /** An authority below `issuer` (default: the hub's authority). */
  issueIntermediate(name: string, options?: IssueOptions): Promise<IssuedCertificate>;
  /** A root authority that nobody trusts yet, as a company's own would be. */
  issueAuthority(name: string, options?: Pick<IssueOptions, 'validDays'>): Promise<IssuedCertificate>;
};

export type IssueOptions = {
  issuer?: IssuedCertificate;
  /** Default 365; negative makes a certificate that has expired already, for tests. */
  validDays?: number;
};

export type CertificateOptions = {
  /** Where the PEM files live; undefined keeps everything in memory. */
  directory: string | undefined;
  /** Names beyond localhost, 127.0.0.1 and ::1 under which clients reach the hub. */
  hostNames: readonly string[];
  log: Log;
  now: () => number;
};

const authorityDays = 3_650;
// Some platforms refuse server certificates that last longer than 398 days.
const serverDays = 397;
const renewBeforeMs = 30 * 86_400_000;

async function readText(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}

/** Reads a pair; undefined when a file is missing or damaged, or the two do not belong together. */
async function readPair(certPath: string, keyPath: string): Promise<IssuedCertificate | undefined> {
  const [certPem, keyPem] = await Promise.all([readText(certPath), readText(keyPath)]);
  if (certPem === undefined || keyPem === undefined) return undefined;
  try {
    const belongs = new X509Certificate(certPem).checkPrivateKey(createPrivateKey(keyPem));
    return belongs ? { certPem, keyPem } : undefined;
  } catch {
    return undefined;
  }
}

function lastsFrom(nowMs: number, certificate: X509Certificate): boolean {
  return (
    certificate.validFromDate.getTime() <= nowMs && certificate.validToDate.getTime() - nowMs > renewBeforeMs
  );
}

function serves(certificate: X509Certificate, name: string): boolean {
  return isIP(name) === 0
    ? certificate.checkHost(name) !== undefined
    : certificate.checkIP(name) !== undefined;
}

/** Loads the authority and the server certificate, making or renewing what is missing, damaged or about to expire. */
export async function openCertificates(options: CertificateOptions): Promise<Certificates> {
  const { directory, log, now } = options;
  const names = [...new Set(['localhost', '127.0.0.1', '::1', ...options.hostNames])];
  const pathOf = (file: string) => join(directory ?? '', file);

  async function load(name: 'ca' | 'server'): Promise<IssuedCertificate | undefined> {
    return directory === undefined ? undefined : readPair(pathOf(`${name}.pem`), pathOf(`${name}.key`));
  }

  async function save(name: 'ca' | 'server', pair: IssuedCertificate): Promise<IssuedCertificate> {
    if (directory !== undefined) {
      // The key first: a crash in between leaves a pair that does not match, which the next start replaces.
      await writeAtomically(pathOf(`${name}.key`), pair.keyPem, secretMode);
      await writeAtomically(pathOf(`${name}.pem`), pair.certPem);
    }
    return pair;
  }

  async function openAuthority(): Promise<IssuedCertificate> {
    const stored = await load('ca');
    if (stored && lastsFrom(now(), new X509Certificate(stored.certPem))) return stored;
    if (directory !== undefined && (await readText(pathOf('ca.pem'))) !== undefined) {
      log.warn({
        what: 'Certificate authority replaced',
        reason: `${pathOf('ca.pem')} or its key was damaged or near its end`,
        next: 'Clients must trust the new ca.pem',
      });
    }
    const commonName = 'iotdh-local-hub development CA';
    return save(
      'ca',
      await issueCertificate({ commonName, kind: 'authority', validDays: authorityDays, nowMs: now() }),
    );
  }

  async function openServer(issuer: IssuedCertificate): Promise<IssuedCertificate> {
    const stored = await load('server');
    if (stored) {
      const certificate = new X509Certificate(stored.certPem);
      const signed = certificate.verify(new X509Certificate(issuer.certPem).publicKey);
      if (signed && lastsFrom(now(), certificate) && names.every((name) => serves(certificate, name)))
        return stored;
    }
    return save(
      'server',
      await issueCertificate({
        commonName: 'localhost',
        kind: 'server',
        validDays: serverDays,
        issuer,
        names,
        nowMs: now(),
      }),
    );
  }

  const authority = await openAuthority();
  const server = await openServer(authority);
  const issue = (
    kind: 'client' | 'authority',
    commonName: string,
    issuer: IssuedCertificate | undefined,
    validDays = 365,
  ) => issueCertificate({ commonName, kind, validDays, nowMs: now(), ...(issuer && { issuer }) });
  return {
    caPem: authority.certPem,
    caPath: directory === undefined ? undefined : pathOf('ca.pem'),
    server,
    issueClient: (deviceId, { issuer = authority, validDays } = {}) =>
      issue('client', deviceId, issuer, validDays),
    issueIntermediate: (name, { issuer = authority, validDays } = {}) =>
      issue('authority', name, issuer, validDays),
    issueAuthority: (name, { validDays } = {}) => issue('authority', name, undefined, validDays),
  };
}
