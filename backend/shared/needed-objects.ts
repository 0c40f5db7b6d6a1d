/** The objects that a pack needs in Blob Storage: its manifest's, the lists of their segments and chunks, and its bill of materials. */
import type { Manifest } from '@iotdh/proto/update/v1';
import type { SbomReference } from './database/collections.ts';

/** Bytes of each object by its SHA-256 in hex. Null: not said, of lists of segments. */
export type NeededObjects = Map<string, number | null>;

export function neededObjects(manifest: Manifest, sbom?: SbomReference | null): NeededObjects {
  const needed: NeededObjects = new Map();
  const name = (digest: Uint8Array) => Buffer.from(digest).toString('hex');
  for (const { segmentDigests, encoding } of manifest.objects) {
    if (segmentDigests.case === 'segmentListDigest') needed.set(name(segmentDigests.value), null);
    if (encoding.case === 'chunked')
      needed.set(name(encoding.value.chunkListDigest), encoding.value.chunkListSize);
  }
  for (const { digest, size } of manifest.objects) needed.set(name(digest), Number(size));
  if (sbom) needed.set(sbom.digest, sbom.size);
  return needed;
}

/** Bytes of all objects together, those of unsaid size not counted. */
export const objectBytes = (needed: NeededObjects): number =>
  [...needed.values()].reduce<number>((sum, size) => sum + (size ?? 0), 0);
