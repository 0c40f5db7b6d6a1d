/** Whether the paths of a file set stay inside their root and apart from each other, on disk as in the manifest. */
import { realpath } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { pathKey } from '@iotdh/proto/paths';
import type { FileSet } from '@iotdh/proto/update/v1';
import { lookAt } from '../durable.ts';

/** What the file systems of a platform take as one name: ext4 and XFS count bytes, NTFS UTF-16 code units. */
const longestName = 255;
const lengthOf = (name: string): number =>
  process.platform === 'win32' ? name.length : Buffer.byteLength(name);

/** Why the paths cannot be used; null when they can. */
export function refusePaths({ files, removedPaths }: FileSet): string | null {
  const seen = new Set<string>();
  const all = [...files.map(({ path }) => path), ...removedPaths];
  for (const path of all) {
    const parts = path.split('/');
    if (parts.some((part) => part === '' || part === '.' || part === '..') || /[\\\0:]/.test(path)) {
      return `the path ${JSON.stringify(path)} leaves its root`;
    }
    const longest = parts.find((part) => lengthOf(part) > longestName);
    if (longest !== undefined) return `the name ${JSON.stringify(longest)} is too long for a file`;
    if (seen.has(pathKey(path))) return `two paths collide at ${JSON.stringify(path)}`;
    seen.add(pathKey(path));
  }
  for (const path of all) {
    for (let folder = dirname(path); folder !== '.'; folder = dirname(folder)) {
      if (seen.has(pathKey(folder))) {
        return `the path ${JSON.stringify(folder)} is a file and the folder of ${JSON.stringify(path)}`;
      }
    }
  }
  return null;
}

/**
 * Why files cannot be put at these paths below the root as it is on disk: a folder leads outside through a symbolic link, is
 * no folder, or the file's own name is a folder. Null when they can.
 */
export async function refuseOnDisk(root: string, paths: readonly string[]): Promise<string | null> {
  const inside = new Map<string, string | null>([['.', null]]);

  async function refuseFolder(folder: string): Promise<string | null> {
    const known = inside.get(folder);
    if (known !== undefined) return known;
    const found = (await refuseFolder(dirname(folder))) ?? (await look(folder));
    inside.set(folder, found);
    return found;
  }

  async function look(folder: string): Promise<string | null> {
    const path = join(root, folder);
    const found = await lookAt(path);
    if (found === null || found.isDirectory()) return null;
    if (!found.isSymbolicLink()) return `${path} is a file, and a folder is needed there`;
    const leadsTo = await realpath(path).catch(() => null);
    if (leadsTo?.startsWith(root + sep)) return null;
    return `${path} is a symbolic link that leads outside ${root}`;
  }

  for (const path of paths) {
    const reason = await refuseFolder(dirname(path));
    if (reason !== null) return reason;
    if ((await lookAt(join(root, path)))?.isDirectory()) {
      return `${join(root, path)} is a folder, and a file is needed there`;
    }
  }
  return null;
}
