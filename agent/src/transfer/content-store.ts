/** Contents on disk, each under its digest. What has its name is complete, verified and flushed. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

export type ContentStore = {
  has(digest: string): boolean;
  /** Where a content is, or will be. */
  pathOf(digest: string): string;
  /** Begins a content, forgetting an earlier beginning. */
  write(digest: string): Promise<ContentWriter>;
};

export type ContentWriter = {
  add(bytes: Uint8Array): Promise<void>;
  /** Flushes and names it, if its digest is right. False: it was not, and nothing is left of it. */
  finish(): Promise<boolean>;
  abandon(): Promise<void>;
};

/** The folder is made if absent. Digests are SHA-256 in lower-case hex. */
export function openContentStore(folder: string): ContentStore {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const pathOf = (digest: string) => join(folder, digest);
  return {
    has: (digest) => existsSync(pathOf(digest)),
    pathOf,
    async write(digest) {
      const making = `${pathOf(digest)}.making`;
      const file = await open(making, 'w', 0o600);
      const hash = createHash('sha256');
      async function abandon(): Promise<void> {
        await file.close();
        await rm(making, { force: true });
      }
      return {
        async add(bytes) {
          hash.update(bytes);
          for (let written = 0; written < bytes.length; ) {
            written += (await file.write(bytes, written, bytes.length - written)).bytesWritten;
          }
        },
        async finish() {
          if (hash.digest('hex') !== digest) {
            await abandon();
            return false;
          }
          await file.sync();
          await file.close();
          await rename(making, pathOf(digest));
          await syncFolder(folder);
          return true;
        },
        abandon,
      };
    },
  };
}

/** Makes a name durable. Windows neither needs nor allows it. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
