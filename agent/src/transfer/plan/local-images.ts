/**
 * The images in the slots of a BASE, as bases of deltas, as sources of chunks, and as what need not be carried. What was written to a
 * partition is recorded; whether a system that has run since has changed it, only its digest tells.
 */
import { digestOf } from '../decode/decode-whole.ts';
import { FileChanged } from '../decode/files-reader.ts';
import type { LocalFile } from './local-files.ts';

/** A partition of a slot. */
export type LocalImage = {
  partition: string;
  path: string;
  /** How much there is to read. */
  bytes: number;
  /** What was written there; null: it is not known. */
  image: { digest: string; size: number } | null;
};

/** What partitions hold by path, computed once for a transfer: it costs seconds for each gigabyte. Null: cannot be read. */
export type ImageDigests = Map<string, string | null>;

export type LocalImages = {
  /** The image that has this digest now; null: none. */
  find(content: { digest: string; size: number }): Promise<LocalFile | null>;
  /** What may share chunks with a content of this size for these partitions, be it altered or of unknown origin. */
  likely(partitions: readonly string[], size: number): LocalFile[];
  /** It was not what it had been. */
  forget(path: string): void;
};

export type LocalImagesOptions = {
  images: readonly LocalImage[];
  digests: ImageDigests;
  /** A partition does not hold the image any more that was written there. */
  onAltered?(image: LocalImage): void;
  signal: AbortSignal;
};

export function createLocalImages(options: LocalImagesOptions): LocalImages {
  const { images, digests, onAltered, signal } = options;

  async function isWhole(image: LocalImage, expected: { digest: string; size: number }): Promise<boolean> {
    const { path } = image;
    const known = digests.get(path);
    if (known !== undefined) return known === expected.digest;
    const digest = await computed({ path, size: expected.size }, signal);
    digests.set(path, digest);
    if (digest !== expected.digest) onAltered?.(image);
    return digest === expected.digest;
  }

  return {
    async find({ digest, size }) {
      for (const held of images) {
        const { path, bytes, image } = held;
        if (image?.digest !== digest || image.size !== size || bytes < size) continue;
        if (await isWhole(held, image)) return { path, size };
      }
      return null;
    },
    likely: (partitions, size) =>
      images
        .filter(({ partition }) => partitions.includes(partition))
        // What was recorded is likelier to be of use than what nobody knows.
        .toSorted((one, other) => Number(one.image === null) - Number(other.image === null))
        .map(({ path, bytes, image }) => ({ path, size: Math.min(bytes, image?.size ?? size) })),
    forget(path) {
      if (images.some((image) => image.path === path)) digests.set(path, null);
    },
  };
}

/** Null: it cannot be read. */
async function computed(file: LocalFile, signal: AbortSignal): Promise<string | null> {
  try {
    return await digestOf(file, signal);
  } catch (error) {
    if (error instanceof FileChanged) return null;
    throw error;
  }
}
