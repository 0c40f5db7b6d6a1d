/**
 * Bytes of objects, read from storage in blocks that are kept by size, since many devices ask for the same pack. Objects never
 * change, so neither does a block.
 */
import { LRUCache } from 'lru-cache';
import type { Objects } from '../../../shared/blobs.ts';

export type Blocks = {
  /** Exactly these bytes, which lie within the object. Null: the object is not stored. Rejects when the storage does not answer. */
  read(digest: string, offset: number, length: number, size: number): Promise<Uint8Array | null>;
  /** Begins to read what is likely to be asked for next. */
  readAhead(digest: string, offset: number, size: number): void;
};

export type BlocksOptions = {
  objects: Pick<Objects, 'read'>;
  /** Of all blocks together. Default 128 MiB. */
  maxBytes?: number;
  /** Default 2 MiB: a request costs both sides as much as some hundred KiB of its answer. */
  blockBytes?: number;
  /** Called once for each look into the cache. */
  onLook?(found: boolean): void;
};

/** Blocks that are read ahead at once: what is being read is in memory too, and the cache does not count it. */
const maxAhead = 8;

type Wanted = { digest: string; index: number; size: number };

export function createBlocks(options: BlocksOptions): Blocks {
  const { objects, maxBytes = 128 * 1024 * 1024, blockBytes = 2 * 1024 * 1024, onLook } = options;
  const cache = new LRUCache<string, { bytes: Buffer | null }, Wanted>({
    maxSize: maxBytes,
    sizeCalculation: ({ bytes }) => Math.max(1, bytes?.length ?? 0),
    ttl: 0,
    // Who waits for a block gets it, also when others have pushed it out meanwhile.
    ignoreFetchAbort: true,
    fetchMethod: async (_key, _stale, { context: { digest, index, size }, options: own }) => {
      const offset = index * blockBytes;
      const length = Math.min(blockBytes, size - offset);
      const bytes = await objects.read(digest, offset, length);
      // An object that is missing may be stored a moment later.
      if (bytes === null) own.ttl = 1_000;
      else if (bytes.length !== length)
        throw new Error(`object ${digest} has ${offset + bytes.length} bytes where ${size} are due`);
      return { bytes };
    },
  });
  let ahead = 0;
  const keyOf = (digest: string, index: number): string => `${digest}/${index}`;

  async function block(digest: string, index: number, size: number): Promise<Buffer | null> {
    const found = cache.get(keyOf(digest, index));
    onLook?.(found !== undefined);
    if (found !== undefined) return found.bytes;
    const fetched = await cache.fetch(keyOf(digest, index), { context: { digest, index, size } });
    return fetched?.bytes ?? null;
  }

  return {
    async read(digest, offset, length, size) {
      const first = Math.floor(offset / blockBytes);
      const last = Math.floor((offset + length - 1) / blockBytes);
      const parts: Buffer[] = [];
      for (let index = first; index <= last; index += 1) {
        const bytes = await block(digest, index, size);
        if (bytes === null) return null;
        const start = index * blockBytes;
        parts.push(bytes.subarray(Math.max(0, offset - start), offset + length - start));
      }
      return parts.length === 1 ? (parts[0] ?? null) : Buffer.concat(parts);
    },
    readAhead(digest, offset, size) {
      const index = Math.floor(offset / blockBytes);
      if (offset >= size || ahead >= maxAhead || cache.has(keyOf(digest, index))) return;
      ahead += 1;
      // Nobody waits for it: a failure shows when the block itself is wanted.
      cache
        .fetch(keyOf(digest, index), { context: { digest, index, size } })
        .catch(() => {})
        .finally(() => {
          ahead -= 1;
        });
    },
  };
}
