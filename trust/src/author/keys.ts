/** Key pairs that sign metadata: ECDSA over P-384 unless Ed25519 is asked for, kept as PKCS #8 files for their owner alone. */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { Key } from '@tufjs/models';
import { canonicalJson } from './canonical-json.ts';
import { writeNewFile } from './new-file.ts';

export const keyTypes = ['ecdsa-p384', 'ed25519'] as const;
export type KeyType = (typeof keyTypes)[number];

/** Signs bytes with one key, wherever its private half is: in a file, on a stick, in a vault. */
export type Signer = {
  readonly key: Key;
  /** As TUF has it: DER for ECDSA, 64 bytes for Ed25519. */
  sign(bytes: Uint8Array): Promise<Uint8Array>;
};

/** A private key may not be used, and why: for its owner, and without any of it. */
export class KeyFileError extends Error {
  override readonly name = 'KeyFileError';
}

/** A key file is a few hundred bytes. */
const maxKeyFileBytes = 16 * 1024;

export function generatePrivateKey(type: KeyType = 'ecdsa-p384'): KeyObject {
  return type === 'ed25519'
    ? generateKeyPairSync('ed25519').privateKey
    : generateKeyPairSync('ec', { namedCurve: 'secp384r1' }).privateKey;
}

/** The public half as metadata name it. Throws a KeyFileError for a kind of key that is not used here. */
export function publicKeyOf(key: KeyObject): Key {
  const half = key.type === 'private' ? createPublicKey(key) : key;
  if (half.asymmetricKeyType === 'ed25519') {
    const hex = Buffer.from(half.export({ format: 'jwk' }).x ?? '', 'base64url').toString('hex');
    return keyOf('ed25519', 'ed25519', hex);
  }
  if (half.asymmetricKeyType === 'ec' && half.asymmetricKeyDetails?.namedCurve === 'secp384r1') {
    const pem = half.export({ format: 'pem', type: 'spki' }).toString();
    return keyOf('ecdsa', 'ecdsa-sha2-nistp384', pem);
  }
  throw new KeyFileError('only ECDSA keys over P-384 and Ed25519 keys are used');
}

function keyOf(keytype: string, scheme: string, value: string): Key {
  const json = { keytype, scheme, keyval: { public: value } };
  return Key.fromJSON(idOf(json), json);
}

/** Whether a key has the id that follows from it: metadata can give it any other, such as that of somebody else's key. */
export const hasItsId = (key: Key): boolean => key.keyID === idOf(key.toJSON());

const idOf = (json: unknown): string => createHash('sha256').update(canonicalJson(json)).digest('hex');

/** Signs with a key that is in this process. */
export function keySigner(privateKey: KeyObject): Signer {
  const key = publicKeyOf(privateKey);
  const algorithm = key.keyType === 'ed25519' ? null : 'sha384';
  return { key, sign: async (bytes) => sign(algorithm, bytes, privateKey) };
}

/** Writes a new key for its owner alone (0600), encrypted if there is a passphrase. Throws EEXIST when the file exists: a key is never replaced. */
export function writeKeyFile(path: string, key: KeyObject, passphrase: string | null): void {
  const pem = key.export({
    ...{ format: 'pem', type: 'pkcs8' },
    ...(passphrase !== null && { cipher: 'aes-256-cbc', passphrase }),
  });
  writeNewFile(path, pem.toString());
}

export const isEncrypted = (path: string): boolean =>
  readPem(path).includes('-----BEGIN ENCRYPTED PRIVATE KEY-----');

/** Throws a KeyFileError that names the file and says what to do. */
export function readKeyFile(path: string, passphrase: string | null): KeyObject {
  const pem = readPem(path);
  const { mode } = statSync(path);
  if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
    throw new KeyFileError(`${path} can be read by others: chmod 600 it, and consider it known`);
  }
  try {
    return createPrivateKey({ key: pem, ...(passphrase !== null && { passphrase }) });
  } catch {
    // What OpenSSL says differs between versions and helps nobody.
    throw new KeyFileError(
      pem.includes('ENCRYPTED')
        ? `${path} does not open with this passphrase`
        : `${path} is no private key in PKCS #8`,
    );
  }
}

function readPem(path: string): string {
  try {
    if (statSync(path).size > maxKeyFileBytes) throw new KeyFileError(`${path} is too long for a key`);
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof KeyFileError) throw error;
    throw new KeyFileError(`${path} cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}
