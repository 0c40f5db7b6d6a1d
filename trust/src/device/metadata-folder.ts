/** The folder `metadata/` of a bundle on removable media: files named as in a TUF repository with consistent snapshots. */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { maxBytes, maxRootRotations, type Role } from '../format/limits.ts';
import { type Refused, refused } from '../format/refusal.ts';
import type { BroughtFile, OfferedFile } from './device-trust.ts';

export type MetadataFolder = { kind: 'read'; files: (BroughtFile & OfferedFile)[] } | Refused;

const pattern =
  /^(?:(?<version>[1-9][0-9]{0,15})\.(?<role>root|targets|snapshot)|(?<timestamp>timestamp))\.json$/;
/** Roots, and one of each other role, with as many again for a folder that keeps what was before. */
const maxFiles = 2 * (maxRootRotations + 3);

/** Everything else in the folder is left alone. Throws when there is no such folder, or it cannot be read. */
export function readMetadataFolder(folder: string): MetadataFolder {
  const names = readdirSync(folder).filter((name) => pattern.test(name));
  if (names.length > maxFiles)
    return refused('too_large', `${folder} holds more than ${maxFiles} metadata files`);
  const files: (BroughtFile & OfferedFile)[] = [];
  for (const name of names.sort()) {
    const groups = pattern.exec(name)?.groups ?? {};
    const role = (groups.role ?? 'timestamp') as Role;
    const bytes = readAtMost(join(folder, name), maxBytes[role]);
    if (bytes === null) return refused('too_large', `${name} has more than ${maxBytes[role]} bytes`);
    const digest = createHash('sha256').update(bytes).digest('hex');
    const version = groups.version === undefined ? versionOf(bytes) : Number(groups.version);
    files.push({ role, version, bytes, digest, size: bytes.length });
  }
  return { kind: 'read', files };
}

/** The name of a timestamp does not carry its version; what it says of itself is not believed yet. */
function versionOf(bytes: Buffer): number {
  try {
    const { version } = JSON.parse(bytes.toString('utf8')).signed;
    return Number.isSafeInteger(version) ? version : 0;
  } catch {
    return 0;
  }
}

/** Null: it is longer. Never more than that is in memory. */
function readAtMost(path: string, limit: number): Buffer | null {
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(limit + 1);
    let length = 0;
    for (;;) {
      const read = readSync(file, bytes, length, bytes.length - length, length);
      if (read === 0) return Buffer.from(bytes.subarray(0, length));
      length += read;
      if (length > limit) return null;
    }
  } finally {
    closeSync(file);
  }
}
