/**
 * What of this machine may have, or share bytes with, what an update brings: the files that are installed in the roots, the contents
 * of other updates on this disk, and the images in the slots of a BASE. Files are looked for by size first, so that only a few of
 * them are read.
 */
import { rmSync } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Manifest } from '@iotdh/proto/update/v1';
import { digestOf } from '../decode/decode-whole.ts';
import { type DigestIndex, openDigestIndex } from './digest-index.ts';
import { createLocalImages, type ImageDigests, type LocalImage } from './local-images.ts';

/** The first `size` bytes of a file or of a block device. */
export type LocalFile = { path: string; size: number };

export type LocalFilesOptions = {
  /** Where the file sets of manifests go, by the name that they use. */
  roots: Readonly<Record<string, { path: string }>>;
  /** Folders of other updates' contents, each file named by its digest. */
  stores: () => readonly string[];
  /** The images in the slots of a BASE. Default: none. */
  images?: () => Promise<readonly LocalImage[]>;
  /** A partition does not hold the image any more that was written there. */
  onAltered?: (image: LocalImage) => void;
  /** The file that remembers digests. */
  indexPath: string;
};

export type LocalFiles = {
  /** Looks at the disk as it is now. `digests`: what was computed of images before, and will be of others. */
  look(signal: AbortSignal, digests: ImageDigests): Promise<LocalView>;
};

export type LocalView = {
  /** What had these bytes when it was last read; null: nothing. */
  find(content: { digest: string; size: number }): Promise<LocalFile | null>;
  /**
   * What may share chunks with contents of this manifest, each file once, the likeliest first: for images, what their partitions hold in
   * either slot; the files in their places, then the others of their roots.
   */
  likely(
    contents: readonly { digest: string; size: number }[],
    manifest: Manifest,
  ): AsyncGenerator<LocalFile>;
  /** What was found was not what it had been: it is not found again. */
  forget(path: string): void;
  close(): void;
};

/** More files than that are not looked at; deeper is a loop of mounts. */
const maxFiles = 500_000;
const maxDepth = 64;

export function createLocalFiles(options: LocalFilesOptions): LocalFiles {
  const { roots, stores, images, onAltered, indexPath } = options;
  return {
    async look(signal, digests) {
      const bySize = new Map<number, string[]>();
      const byRoot = new Map<string, LocalFile[]>();
      let count = 0;

      async function visit(root: string, folder: string, depth: number): Promise<void> {
        signal.throwIfAborted();
        // A folder that is not there, or may not be read, has nothing for us.
        const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
        for (const entry of entries) {
          const path = join(folder, entry.name);
          if (entry.isDirectory() && depth < maxDepth) await visit(root, path, depth + 1);
          if (!entry.isFile() || count >= maxFiles) continue;
          const found = await lstat(path).catch(() => null);
          if (found?.isFile() !== true) continue;
          count += 1;
          byRoot.get(root)?.push({ path, size: found.size });
          const alike = bySize.get(found.size);
          if (alike === undefined) bySize.set(found.size, [path]);
          else alike.push(path);
        }
      }

      for (const [root, { path }] of Object.entries(roots)) {
        byRoot.set(root, []);
        await visit(root, path, 0);
      }
      const slots = createLocalImages({
        ...{ images: (await images?.()) ?? [], digests, signal },
        ...(onAltered && { onAltered }),
      });
      const index = openDigestIndex(indexPath, (path) => rmSync(path, { force: true }));
      const folders = stores();
      const forgotten = new Set<string>();

      async function find({ digest, size }: { digest: string; size: number }): Promise<LocalFile | null> {
        for (const folder of folders) {
          const path = join(folder, digest);
          const found = await lstat(path).catch(() => null);
          if (found?.isFile() === true && found.size === size && !forgotten.has(path)) return { path, size };
        }
        for (const path of bySize.get(size) ?? []) {
          if (!forgotten.has(path) && (await indexedDigest(path, index, signal)) === digest)
            return { path, size };
        }
        return slots.find({ digest, size });
      }

      async function* likely(
        contents: readonly { digest: string; size: number }[],
        manifest: Manifest,
      ): AsyncGenerator<LocalFile> {
        for (const { digest, size } of contents) yield* slots.likely(partitionsOf(digest, manifest), size);
        const others = new Map<string, LocalFile>();
        const given = new Set<string>();
        for (const [root, places] of placesOf(contents, manifest)) {
          const replaced = new Set([...places].map((place) => join(roots[root]?.path ?? '', place)));
          for (const file of byRoot.get(root) ?? []) {
            // Small files have no chunks of their own; the large ones have most of what there is to share.
            if (file.size >= 65_536) others.set(file.path, file);
            if (!replaced.has(file.path)) continue;
            given.add(file.path);
            yield file;
          }
        }
        for (const path of given) others.delete(path);
        yield* [...others.values()].sort((a, b) => b.size - a.size);
      }

      function forget(path: string): void {
        forgotten.add(path);
        slots.forget(path);
      }

      return { find, likely, forget, close: () => index.close() };
    },
  };
}

/** Null: the file cannot be read, or changes while it is. */
async function indexedDigest(path: string, index: DigestIndex, signal: AbortSignal): Promise<string | null> {
  try {
    const found = await lstat(path, { bigint: true });
    const known = index.get(path, found);
    if (known !== null) return known;
    const digest = await digestOf({ path, size: Number(found.size) }, signal);
    index.put(path, found, digest);
    return digest;
  } catch (error) {
    if (signal.aborted) throw error;
    return null;
  }
}

/** The partitions for which a content is the image. */
function partitionsOf(content: string, { content: kind }: Manifest): string[] {
  if (kind.case !== 'base') return [];
  const named = kind.value.partitions.filter(({ digest }) => Buffer.from(digest).toString('hex') === content);
  return named.map(({ name }) => name);
}

/** Where a manifest puts contents as files, by root. */
function placesOf(
  contents: readonly { digest: string }[],
  { content: kind }: Manifest,
): Map<string, Set<string>> {
  const places = new Map<string, Set<string>>();
  if (kind.case !== 'patch') return places;
  const wanted = new Set(contents.map(({ digest }) => digest));
  for (const { kind: component } of kind.value.components) {
    const files = component.value && 'files' in component.value ? component.value.files : undefined;
    for (const { digest, path } of files?.files ?? []) {
      if (files === undefined || !wanted.has(Buffer.from(digest).toString('hex'))) continue;
      const known = places.get(files.root);
      if (known === undefined) places.set(files.root, new Set([path]));
      else known.add(path);
    }
  }
  return places;
}
