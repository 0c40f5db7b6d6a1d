/** Writes the folder `metadata/` of a bundle on removable media: files named as in a TUF repository with consistent snapshots. */
import { closeSync, fsyncSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Role } from '../format/limits.ts';
import { fileName } from '../format/names.ts';

/** Durable when it returns. Makes the folder; replaces files of the same name. */
export function writeMetadataFolder(
  folder: string,
  files: readonly { role: Role; version: number; bytes: Uint8Array }[],
): void {
  mkdirSync(folder, { recursive: true });
  for (const { role, version, bytes } of files) {
    const file = openSync(join(folder, fileName(role, version)), 'w', 0o644);
    try {
      for (let written = 0; written < bytes.length; ) written += writeSync(file, bytes, written);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  }
}
