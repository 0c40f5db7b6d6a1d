/** Signatures of metadata: adding one, counting them, and the bytes of a file. */
import {
  type Key,
  type Metadata,
  type Root,
  Signature,
  type Snapshot,
  type Targets,
  type Timestamp,
} from '@tufjs/models';
import type { Role } from '../format/limits.ts';
import { signedBytes } from './canonical-json.ts';
import type { Signer } from './keys.ts';

type AnyMetadata = Metadata<Root> | Metadata<Targets> | Metadata<Snapshot> | Metadata<Timestamp>;

/** Signing twice with one key leaves one signature. */
export async function addSignature(metadata: AnyMetadata, { key, sign }: Signer): Promise<void> {
  const sig = Buffer.from(await sign(signedBytes(metadata.signed))).toString('hex');
  metadata.signatures[key.keyID] = new Signature({ keyID: key.keyID, sig });
}

/** The file's bytes: the same for the same content and signatures, whoever signed first. */
export function encodeMetadata(metadata: AnyMetadata): Buffer {
  const signatures = Object.values(metadata.signatures)
    .map((signature) => signature.toJSON())
    .sort((a, b) => (String(a.keyid) < String(b.keyid) ? -1 : 1));
  return Buffer.from(`${JSON.stringify({ signed: metadata.signed.toJSON(), signatures })}\n`);
}

/** How far a file is from what a root asks of its role. */
export type Threshold = {
  needed: number;
  /** The ids of the role's keys whose signature is right. */
  signed: string[];
  met: boolean;
};

export function thresholdOf(root: Root, role: Role, metadata: AnyMetadata): Threshold {
  const { keyIDs, threshold } = root.roles[role] ?? { keyIDs: [], threshold: Number.POSITIVE_INFINITY };
  const signed = keyIDs.filter((keyId) => isSignedBy(metadata, root.keys[keyId]));
  return { needed: threshold, signed, met: signed.length >= threshold };
}

function isSignedBy(metadata: AnyMetadata, key: Key | undefined): boolean {
  try {
    key?.verifySignature(metadata);
    return key !== undefined;
  } catch {
    return false;
  }
}
