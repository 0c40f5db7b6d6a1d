/** Where a device keeps what it has come to trust: a few small files, each replaced as a whole. */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

export type Storage = {
  /** Null: there is none. */
  read(name: string): Buffer | null;
  /** Durable when it returns; a crash leaves the old or the new file. Throws when the disk does not let us. */
  write(name: string, bytes: Uint8Array): void;
  remove(name: string): void;
};

/** Files in a folder that only this user may enter; made if it is absent. */
export function folderStorage(folder: string): Storage {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const sync = () => {
    // Windows neither needs nor allows it.
    if (process.platform === 'win32') return;
    const opened = openSync(folder, 'r');
    try {
      fsyncSync(opened);
    } finally {
      closeSync(opened);
    }
  };
  return {
    read(name) {
      try {
        return readFileSync(join(folder, name));
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
        throw error;
      }
    },
    write(name, bytes) {
      const making = join(folder, `${name}.making`);
      const file = openSync(making, 'w', 0o600);
      try {
        for (let written = 0; written < bytes.length; ) written += writeSync(file, bytes, written);
        fsyncSync(file);
      } finally {
        closeSync(file);
      }
      renameSync(making, join(folder, name));
      sync();
    },
    remove(name) {
      rmSync(join(folder, name), { force: true });
      sync();
    },
  };
}

/** Nothing outlives the process: for tests, and to check metadata that are not to be kept. */
export function memoryStorage(): Storage {
  const files = new Map<string, Buffer>();
  return {
    read: (name) => files.get(name) ?? null,
    write: (name, bytes) => void files.set(name, Buffer.from(bytes)),
    remove: (name) => void files.delete(name),
  };
}
