/** Two keys and their self-signed certificates, made at installation: each side trusts the other's certificate and nothing else. */
import 'reflect-metadata';
import { KeyObject, randomBytes, webcrypto } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { BasicConstraintsExtension, X509CertificateGenerator } from '@peculiar/x509';
import { makePrivateFolder, writeDurably } from '../durable/document.ts';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const yearMs = 365 * 86_400_000;
const names = ['host', 'agent'] as const;

/** Throws when there are keys already: whoever wants new ones removes the old ones first. */
export async function makeKeyFiles(folder: string, nowMs: number): Promise<void> {
  makePrivateFolder(folder);
  const taken = names.find((name) => existsSync(join(folder, `${name}.key`)));
  if (taken !== undefined)
    throw new Error(`${join(folder, `${taken}.key`)} is there already; remove it for a new one`);
  for (const name of names) {
    const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
    const certificate = await X509CertificateGenerator.createSelfSigned({
      serialNumber: `40${randomBytes(15).toString('hex')}`,
      name: [{ CN: [`iotdh ${name}`] }],
      // It is pinned, and ends with the installation: a clock that is wrong must not end it sooner.
      notBefore: new Date(Math.floor((nowMs - 30 * yearMs) / 1000) * 1000),
      notAfter: new Date(Math.floor((nowMs + 30 * yearMs) / 1000) * 1000),
      ...{ keys, signingAlgorithm: algorithm },
      extensions: [new BasicConstraintsExtension(false, undefined, true)],
    });
    writeDurably(join(folder, `${name}.crt`), certificate.toString('pem'));
    const pem = KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' });
    writeDurably(join(folder, `${name}.key`), pem);
  }
}

/** Throws when the key is not for its owner alone. */
export function readKeyFile(path: string): string {
  if (process.platform !== 'win32' && (statSync(path).mode & 0o077) !== 0) {
    throw new Error(`${path} can be read by other users; run chmod 600 on it`);
  }
  return readFileSync(path, 'utf8');
}
