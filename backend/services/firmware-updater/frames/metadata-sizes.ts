/** How many bytes signed metadata have, by their digest: they are objects that no manifest names. */
import { LRUCache } from 'lru-cache';
import type { Collections } from '../../../shared/database/collections.ts';

const maxEntries = 1_000;
/** What is none may become one. */
const unknownMs = 1_000;

/** Rejects when the database does not answer. */
export function createMetadataSizes(
  metadata: Pick<Collections['metadata'], 'findOne'>,
): (digest: string) => Promise<number | undefined> {
  const cache = new LRUCache<string, { size: number | undefined }>({
    max: maxEntries,
    ttl: 0,
    fetchMethod: async (digest, _stale, { options }) => {
      const found = await metadata.findOne({ digest });
      if (found === null) options.ttl = unknownMs;
      return { size: found?.size };
    },
  });
  return async (digest) => (await cache.fetch(digest))?.size;
}
