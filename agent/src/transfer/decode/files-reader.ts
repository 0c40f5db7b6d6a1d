/** Files read by position, of which only a few are open at once however many there are. */
import { type FileHandle, open } from 'node:fs/promises';

export type FilesReader = {
  /** Fills `into` with the bytes of a file from `position` on. Throws a `FileChanged` when it has fewer. */
  read(path: string, into: Uint8Array, position: number): Promise<void>;
  close(): Promise<void>;
};

/** A file is not what it was when it was looked at. */
export class FileChanged extends Error {}

const maxOpen = 8;
/** It is gone, is not ours to read any more, or is on a medium that fails: whatever it held can be had in another way. */
const unreadable = new Set(['ENOENT', 'EACCES', 'EPERM', 'ENOTDIR', 'EISDIR', 'ENXIO', 'ENODEV', 'EIO']);

/** Rethrows what a file could not be read for, as a `FileChanged` where only that file is concerned. */
export function throwAsChanged(path: string, error: unknown): never {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== undefined && unreadable.has(code)) {
    throw new FileChanged(`${path} cannot be read any more (${code})`);
  }
  throw error;
}

export function createFilesReader(): FilesReader {
  const handles = new Map<string, FileHandle>();

  async function handleOf(path: string): Promise<FileHandle> {
    const known = handles.get(path);
    if (known !== undefined) {
      handles.delete(path);
      handles.set(path, known);
      return known;
    }
    const [oldest] = handles;
    if (handles.size >= maxOpen && oldest !== undefined) {
      handles.delete(oldest[0]);
      await oldest[1].close();
    }
    const handle = await open(path, 'r').catch((error: unknown) => throwAsChanged(path, error));
    handles.set(path, handle);
    return handle;
  }

  return {
    async read(path, into, position) {
      const handle = await handleOf(path);
      for (let filled = 0; filled < into.length; ) {
        const { bytesRead } = await handle
          .read(into, filled, into.length - filled, position + filled)
          .catch((error: unknown) => throwAsChanged(path, error));
        if (bytesRead === 0) throw new FileChanged(`${path} has become shorter`);
        filled += bytesRead;
      }
    },
    async close() {
      const open = [...handles.values()];
      handles.clear();
      await Promise.all(open.map((handle) => handle.close()));
    },
  };
}
