/** A P-256 key made on this device, and the request to certify it (PKCS #10, RFC 2986). */
import { createPrivateKey, createPublicKey, generateKeyPairSync, webcrypto } from 'node:crypto';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/** A new private key as PKCS #8 in PEM. */
export function makeKey(): string {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
    type: 'pkcs8',
    format: 'pem',
  }) as string;
}

/** The request in DER. The broker decides on the name, so it holds none that matters. */
export async function makeSigningRequest(keyPem: string): Promise<Uint8Array<ArrayBuffer>> {
  const key = createPrivateKey(keyPem);
  const { subtle } = webcrypto;
  const privateDer = key.export({ type: 'pkcs8', format: 'der' });
  const publicDer = createPublicKey(keyPem).export({ type: 'spki', format: 'der' });
  const keys = {
    privateKey: await subtle.importKey('pkcs8', privateDer, algorithm, false, ['sign']),
    publicKey: await subtle.importKey('spki', publicDer, algorithm, true, ['verify']),
  };
  // Needed once in a device's life, and a fifth of the agent's start.
  await import('reflect-metadata');
  const { Pkcs10CertificateRequestGenerator } = await import('@peculiar/x509');
  const name = 'CN=iotdh-device';
  const request = await Pkcs10CertificateRequestGenerator.create({ name, keys, signingAlgorithm: algorithm });
  return new Uint8Array(request.rawData);
}
