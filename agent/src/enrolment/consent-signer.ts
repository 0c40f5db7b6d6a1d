/**
 * The key that signs consents: that of the device's certificate, or, where the device has none, one that is made here at the
 * first run and named in every Hello.
 */
import { createPrivateKey, createPublicKey, sign, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type ConsentEvidence, SignatureAlgorithm } from '@iotdh/proto/agent/v1';
import { readText, writeDurably } from '../durable/document.ts';
import type { Identity } from './identity.ts';
import { makeKey } from './signing-request.ts';

export type DeviceSigner = {
  deviceId(): string;
  sign(bytes: Uint8Array): Pick<ConsentEvidence, 'algorithm' | 'signature' | 'certificates' | 'publicKey'>;
  /** SubjectPublicKeyInfo in DER; empty where a certificate names the key. */
  publicKey(): Uint8Array<ArrayBuffer>;
};

const algorithm = SignatureAlgorithm.ECDSA_P256_SHA256;
const empty = new Uint8Array(0);
/** The exact type of the contract's bytes, without a copy of what is in it. */
const bytesOf = (buffer: Buffer): Uint8Array<ArrayBuffer> => new Uint8Array(buffer);

/** Signs with the identity that enrolment keeps, read anew each time because a certificate is renewed while the agent runs. */
export function certifiedSigner(read: () => Identity | null): DeviceSigner {
  function identity(): Identity {
    const found = read();
    if (found === null) throw new Error('the device is not enrolled, so nobody can sign for it');
    return found;
  }
  return {
    deviceId: () => identity().deviceId,
    sign(bytes) {
      const { keyPem, certificatePem } = identity();
      const pems = certificatePem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
      return {
        algorithm,
        signature: bytesOf(sign('sha256', bytes, keyPem)),
        certificates: pems.map((pem) => bytesOf(new X509Certificate(pem).raw)),
        publicKey: empty,
      };
    },
    publicKey: () => empty,
  };
}

/** Signs for a device with a connection string: a key of its own in the file at `keyPath`, 0600, made if it is absent. */
export function keyFileSigner(keyPath: string, connectionStringFile: string): DeviceSigner {
  if (readText(keyPath) === null) writeDurably(keyPath, makeKey());
  const key = createPrivateKey(readFileSync(keyPath));
  const publicKey = bytesOf(createPublicKey(key).export({ type: 'spki', format: 'der' }));
  return {
    deviceId() {
      const [, deviceId] =
        /(?:^|;)DeviceId=([^;]+)/i.exec(readFileSync(connectionStringFile, 'utf8').trim()) ?? [];
      if (deviceId === undefined) throw new Error(`${connectionStringFile} names no device`);
      return deviceId;
    },
    sign: (bytes) => ({
      ...{ algorithm, publicKey, certificates: [] },
      signature: bytesOf(sign('sha256', bytes, key)),
    }),
    publicKey: () => publicKey,
  };
}
