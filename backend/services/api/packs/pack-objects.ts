/** The objects that a manifest needs, and which of them Blob Storage does not hold as the manifest says. */
import { createHash } from 'node:crypto';
import type { Manifest } from '@iotdh/proto/update/v1';
import { LRUCache } from 'lru-cache';
import type { Objects } from '../../../shared/blobs.ts';

/** Bytes of each object by its SHA-256 in hex. Null: not said, of lists of segments. */
export type NeededObjects = Map<string, number | null>;

export function neededObjects(manifest: Manifest): NeededObjects {
  const needed: NeededObjects = new Map();
  const name = (digest: Uint8Array) => Buffer.from(digest).toString('hex');
  for (const { segmentDigests } of manifest.objects) {
    if (segmentDigests.case === 'segmentListDigest') needed.set(name(segmentDigests.value), null);
  }
  for (const { digest, size } of manifest.objects) needed.set(name(digest), Number(size));
  return needed;
}

/** Bytes of all objects together, those of unsaid size not counted. */
export const objectBytes = (needed: NeededObjects): number =>
  [...needed.values()].reduce<number>((sum, size) => sum + (size ?? 0), 0);

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
