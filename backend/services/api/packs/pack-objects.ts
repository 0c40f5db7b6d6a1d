/** Which objects of a manifest Blob Storage does not hold as the manifest says. */
import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Objects } from '../../../shared/blobs.ts';
import type { NeededObjects } from '../../../shared/needed-objects.ts';

export type ObjectCheck = {
  /** Those that are not stored. */
  absent(needed: NeededObjects): Promise<string[]>;
  /**
   * Those that are not stored, or whose size or bytes are not what the manifest says. Reads each object once for as long as it
   * is remembered. Bytes that are not what their digest says are removed, because nothing else lets them be uploaded again.
   */
  wrong(needed: NeededObjects): Promise<string[]>;
};

/** How much of an object is in memory at a time, and how many objects are read at once. */
const readBytes = 4 * 1024 * 1024;
const parallelReads = 4;
/** A digest and its size, for the 100,000 objects of the largest manifest. */
const maxRemembered = 100_000;

export function createObjectCheck(objects: Pick<Objects, 'has' | 'size' | 'read' | 'remove'>): ObjectCheck {
  /** An object never changes, so what was right once is right. */
  const verified = new LRUCache<string, number>({ max: maxRemembered });

  async function isRight(digest: string, expected: number | null): Promise<boolean> {
    const known = verified.get(digest);
    if (known !== undefined) return expected === null || known === expected;
    const size = await objects.size(digest);
    if (size === null) return false;
    const hash = createHash('sha256');
    for (let offset = 0; offset < size; ) {
      const bytes = await objects.read(digest, offset, Math.min(readBytes, size - offset));
      if (bytes === null || bytes.length === 0) return false;
      hash.update(bytes);
      offset += bytes.length;
    }
    if (hash.digest('hex') !== digest) {
      await objects.remove(digest);
      return false;
    }
    verified.set(digest, size);
    return expected === null || size === expected;
  }

  return {
    async absent(needed) {
      const stored = await objects.has([...needed.keys()]);
      return [...needed.keys()].filter((digest) => !stored.has(digest));
    },
    async wrong(needed) {
      const found = new Set<string>();
      const left = [...needed].reverse();
      async function check(): Promise<void> {
        for (let next = left.pop(); next !== undefined; next = left.pop()) {
          const [digest, size] = next;
          if (!(await isRight(digest, size))) found.add(digest);
        }
      }
      await Promise.all(Array.from({ length: parallelReads }, check));
      return [...needed.keys()].filter((digest) => found.has(digest));
    },
  };
}
