/** Files read by position, of which only a few are open at once however many there are. */
import { type FileHandle, open } from 'node:fs/promises';

export type FilesReader = {
  /** Fills `into` with the bytes of a file from `position` on. Throws a `FileChanged` when it has fewer. */
  read(path: string, into: Uint8Array, position: number): Promise<void>;
  close(): Promise<void>;
};

/** A file is not what it was when it was looked at. */
export class FileChanged extends Error {
  readonly path: string;

  constructor(path: string, what: string) {
    super(`${path} ${what}`);
    this.path = path;
  }
}

const maxOpen = 8;
/** What this process is short of, or has done wrong itself. */
const ours = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'EBADF']);

/**
 * Rethrows what a file could not be read for, as a `FileChanged` where only that file is concerned: it is gone, locked by somebody, not
 * ours to read, or on a medium that fails, and systems have more words for that than a list here would. What it held can be had in
 * another way.
 */
export function throwAsChanged(path: string, error: unknown): never {
  const { code, errno } = error as NodeJS.ErrnoException;
  if (errno !== undefined && code !== undefined && !ours.has(code)) {
    throw new FileChanged(path, `cannot be read any more (${code})`);
  }
  throw error;
}

export type OpenFile = (path: string) => Promise<FileHandle>;

export const openFile: OpenFile = (path) => open(path, 'r');

export function createFilesReader(open: OpenFile = openFile): FilesReader {
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
    const handle = await open(path).catch((error: unknown) => throwAsChanged(path, error));
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
        if (bytesRead === 0) throw new FileChanged(path, 'has become shorter');
        filled += bytesRead;
      }
    },
    async close() {
      const opened = [...handles.values()];
      handles.clear();
      await Promise.all(opened.map((handle) => handle.close()));
    },
  };
}
