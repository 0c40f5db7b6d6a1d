/** Canonical JSON, by the library that will verify it: it makes these bytes only for who signs, so it is asked to sign. */
import { Metadata, Signature, type Snapshot } from '@tufjs/models';

type Signed = Metadata<Snapshot>['signed'] | { toJSON(): unknown };

/** The bytes that a signature of this part of metadata covers. */
export function signedBytes(signed: Signed): Buffer {
  let bytes: Buffer = Buffer.alloc(0);
  new Metadata(signed as Snapshot).sign((data) => {
    bytes = data;
    return new Signature({ keyID: '', sig: '' });
  });
  return bytes;
}

/** The same of any JSON. */
export const canonicalJson = (json: unknown): Buffer => signedBytes({ toJSON: () => json });
