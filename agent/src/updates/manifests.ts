/** The manifests of updates on this disk, read once and kept while their update is the one that is asked about. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Manifest } from '@iotdh/proto/update/v1';
import type { Update } from '../machine/update.ts';
import type { UpdateStore } from './update-store.ts';

export type Manifests = {
  /** Null until it has arrived. */
  of(update: Update): Manifest | null;
};

export type ManifestsOptions = {
  updates: UpdateStore;
  /** The manifest of these bytes, or null if they are not the one of this digest. */
  read: (bytes: Uint8Array, digest: Uint8Array) => Manifest | null;
};

export function createManifests({ updates, read }: ManifestsOptions): Manifests {
  let last: { digest: string; manifest: Manifest } | null = null;
  return {
    of({ updateId, target, manifest: { digest } }) {
      if (last?.digest === digest) return last.manifest;
      try {
        const bytes = readFileSync(join(updates.folderOf(updateId, target), 'contents', digest));
        const manifest = read(bytes, Buffer.from(digest, 'hex'));
        last = manifest && { digest, manifest };
        return manifest;
      } catch {
        // It is not here yet, or its half is being discarded: nothing can be said about it.
        return null;
      }
    },
  };
}
