/** A small JSON document that survives a power cut: written beside itself, flushed, and put in place by one rename. */
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

export type Document<T> = {
  readonly value: T;
  /** Durable when it returns. Throws, with the old value in force, when the disk does not let us. */
  write(value: T): void;
};

export type DocumentOptions<T> = {
  path: string;
  /** What was parsed, if it is of the expected shape; else null, and the document begins anew. */
  read: (parsed: unknown) => T | null;
  initial: T;
  /** Told when a document could not be read; it is kept as `….damaged`. */
  onDamaged?: (path: string) => void;
};

export function openDocument<T>({ path, read, initial, onDamaged }: DocumentOptions<T>): Document<T> {
  let value = load() ?? initial;

  function load(): T | null {
    const text = readText(path);
    if (text === null) return null;
    const found = parse(text);
    const shaped = found === undefined ? null : read(found);
    if (shaped !== null) return shaped;
    renameSync(path, `${path}.damaged`);
    onDamaged?.(path);
    return null;
  }

  return {
    get value() {
      return value;
    },
    write(next) {
      writeDurably(path, `${JSON.stringify(next)}\n`);
      value = next;
    },
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The text of a file; null if there is none. */
export function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

/** Whether the disk, or the share of it that this user may have, has no room. */
export function isFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT');
}

/** Writes a whole file so that a crash leaves the old or the new one. `mode` is 0600 unless said otherwise. */
export function writeDurably(path: string, content: string | Uint8Array, mode = 0o600): void {
  const making = `${path}.making`;
  const file = openSync(making, 'w', mode);
  try {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content;
    for (let written = 0; written < bytes.length; ) written += writeSync(file, bytes, written);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(making, path);
  syncFolder(dirname(path));
}

/** Makes the names in a folder durable. Windows neither needs nor allows it. */
export function syncFolder(path: string): void {
  if (process.platform === 'win32') return;
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** Makes a folder that only the agent's user may enter, if it is absent. */
export function makePrivateFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
}
