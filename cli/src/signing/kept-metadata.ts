/**
 * The metadata of a fleet in a folder, named as in a TUF repository, for whoever signs next without a link: every root, and the newest
 * targets.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileName, maxBytes } from '@iotdh/trust/author';
import { exitCode } from '../exit-code.ts';
import { Failure } from '../failure.ts';
import { writeWhole } from '../write-whole.ts';
import type { Found } from './fleet-metadata.ts';
import type { Repository } from './trusted-metadata.ts';

export async function keepIn(folder: string, { roots, targets }: Repository): Promise<void> {
  mkdirSync(folder, { recursive: true });
  for (const { version, bytes } of roots) await writeKept(folder, fileName('root', version), bytes);
  if (targets !== null)
    await writeKept(folder, fileName('targets', targets.metadata.signed.version), targets.bytes);
}

export const writeKept = (folder: string, name: string, bytes: Uint8Array): Promise<void> =>
  writeWhole(join(folder, name), bytes, 0o644);

/** Throws a `Failure` when the file is longer than such metadata may be. */
export function readBounded(path: string, role: 'root' | 'targets'): Buffer {
  if (statSync(path).size > maxBytes[role]) throw new Failure(exitCode.usage, `${path} is too long`);
  return readFileSync(path);
}

/** Null: the folder has no root. */
export function readKept(folder: string): Found | null {
  if (!existsSync(folder)) return null;
  const names = readdirSync(folder);
  const versions = (role: 'root' | 'targets') =>
    names
      .flatMap((name) => {
        const version = Number(new RegExp(`^([1-9][0-9]{0,9})\\.${role}\\.json$`).exec(name)?.[1]);
        return Number.isNaN(version) ? [] : [version];
      })
      .sort((a, b) => a - b);
  const read = (role: 'root' | 'targets', version: number) =>
    readBounded(join(folder, fileName(role, version)), role);
  const roots = versions('root').map((version) => ({ version, bytes: read('root', version) }));
  const targets = versions('targets').map((version) => read('targets', version));
  return roots.length === 0 ? null : { where: `in ${folder}`, roots, targets: targets.reverse() };
}
