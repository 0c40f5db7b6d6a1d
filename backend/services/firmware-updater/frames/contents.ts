/** What a manifest lets a device ask for: the objects it names and their lists of segments and chunks. */
import { carriedBytes, chooseObjects, segmentListBytes } from '@iotdh/proto/objects';
import { createPayloadReader } from '@iotdh/proto/payload';
import { ManifestSchema } from '@iotdh/proto/update/v1';
import { LRUCache } from 'lru-cache';
import type { Objects } from '../../../shared/blobs.ts';
import type { ManifestReference } from '../../../shared/database/collections.ts';

export type Contents = {
  /** Bytes of each object that may be asked for, by its digest in hex; the manifest itself is one of them. */
  sizes: ReadonlyMap<string, number>;
  /** What a device that has nothing would receive, the manifest included; deltas are instead of whole objects. */
  totalBytes: number;
};

export type ContentsOptions = {
  objects: Pick<Objects, 'read'>;
  /** How many digests are kept in memory, over all manifests. Default 1,000,000. */
  maxDigests?: number;
};

/** Answers null when the manifest is not stored or is none. Rejects when the storage does not answer. */
export type ReadContents = (manifest: ManifestReference) => Promise<Contents | null>;

const maxManifestBytes = 16 * 1024 * 1024;

const hex = (digest: Uint8Array): string => Buffer.from(digest).toString('hex');

export function createContents({ objects, maxDigests = 1_000_000 }: ContentsOptions): ReadContents {
  const read = createPayloadReader(ManifestSchema, { maxBytes: maxManifestBytes });
  const cache = new LRUCache<string, { contents: Contents | null }, ManifestReference>({
    maxSize: maxDigests,
    sizeCalculation: ({ contents }) => (contents?.sizes.size ?? 0) + 1,
    // What is missing may be stored a moment later.
    ttl: 0,
    fetchMethod: async (digest, _stale, { context, options }) => {
      const bytes = await objects.read(digest, 0, context.size);
      const contents = bytes === null ? null : contentsOf(digest, bytes);
      if (contents === null) options.ttl = 1_000;
      return { contents };
    },
  });

  function contentsOf(digest: string, bytes: Uint8Array): Contents | null {
    const payload = read(bytes);
    if (payload.kind !== 'valid') return null;
    const sizes = new Map([[digest, bytes.length]]);
    for (const object of payload.message.objects) {
      const { segmentDigests, encoding } = object;
      sizes.set(hex(object.digest), Number(object.size));
      if (segmentDigests.case === 'segmentListDigest')
        sizes.set(hex(segmentDigests.value), segmentListBytes(object));
      if (encoding.case === 'chunked')
        sizes.set(hex(encoding.value.chunkListDigest), encoding.value.chunkListSize);
    }
    const fromNothing = chooseObjects(payload.message, {
      isHere: () => false,
      isUsable: ({ encoding }) => encoding.case !== 'delta',
    });
    const objects = fromNothing.kind === 'chosen' ? fromNothing.objects : [];
    const totalBytes = objects.reduce((sum, object) => sum + carriedBytes(object), bytes.length);
    return { sizes, totalBytes };
  }

  return async (manifest) => (await cache.fetch(manifest.digest, { context: manifest }))?.contents ?? null;
}
