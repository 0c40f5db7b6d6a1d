/** The two roles that a service signs by itself: which targets are the newest, and that this was so at a certain time. */
import { createHash } from 'node:crypto';
import { Metadata, MetaFile, Snapshot, Timestamp } from '@tufjs/models';
import { instant, issuedField } from '../format/issued.ts';
import type { Signer } from './keys.ts';
import { lifetimeMs, specVersion } from './roots.ts';
import { addSignature, encodeMetadata } from './sign.ts';

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

type Named = { version: number; bytes: Uint8Array };

const metaOf = ({ version, bytes }: Named): MetaFile =>
  new MetaFile({ version, length: bytes.length, hashes: { sha256: sha256(bytes) } });

export async function makeSnapshot(
  targets: Named,
  { version, nowMs, signer }: { version: number; nowMs: number; signer: Signer },
): Promise<Buffer> {
  const snapshot = new Metadata(
    new Snapshot({
      ...{ version, specVersion, expires: instant(nowMs + lifetimeMs.snapshot) },
      meta: { 'targets.json': metaOf(targets) },
    }),
  );
  await addSignature(snapshot, signer);
  return encodeMetadata(snapshot);
}

/** `nowMs` becomes the time that devices rely on: it must not be before that of the timestamp before. */
export async function makeTimestamp(
  snapshot: Named,
  { version, nowMs, signer }: { version: number; nowMs: number; signer: Signer },
): Promise<Buffer> {
  const timestamp = new Metadata(
    new Timestamp({
      ...{ version, specVersion, expires: instant(nowMs + lifetimeMs.timestamp) },
      snapshotMeta: metaOf(snapshot),
      unrecognizedFields: { [issuedField]: instant(nowMs) },
    }),
  );
  await addSignature(timestamp, signer);
  return encodeMetadata(timestamp);
}
