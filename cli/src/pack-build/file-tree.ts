/** Finds the files below a folder, in an order that does not depend on the machine. */
import { lstat, readdir, stat } from 'node:fs/promises';
import { join, matchesGlob } from 'node:path';

export type FoundFile = {
  /** Relative to the folder, with forward slashes. */
  path: string;
  absolute: string;
  /** 0755 when its owner may execute it, else 0644: other bits are the author's umask. */
  mode: number;
};

export type TreeOptions = {
  /** Globs over the relative path; a folder that matches is left out with all that is in it. */
  exclude: readonly string[];
  /** What becomes of symbolic links: a manifest has none. */
  symlinks: 'refuse' | 'follow' | 'skip';
};

/** What cannot be packed, with the reason. */
export type Unpackable = { path: string; reason: string };

/** Deeper is a loop of links. */
const maxDepth = 64;
/** The contract's limit of a file set. */
const maxFiles = 100_000;

/** Every file below `folder`, sorted by path. Throws when the folder cannot be read. */
export async function findFiles(
  folder: string,
  options: TreeOptions,
): Promise<{ files: FoundFile[]; unpackable: Unpackable[] }> {
  const files: FoundFile[] = [];
  const unpackable: Unpackable[] = [];

  async function visit(relative: string, depth: number): Promise<void> {
    const entries = await readdir(join(folder, relative), { withFileTypes: true });
    for (const entry of entries) {
      const path = relative === '' ? entry.name : `${relative}/${entry.name}`;
      if (options.exclude.some((glob) => matchesGlob(path, glob))) continue;
      const absolute = join(folder, path);
      if (entry.isSymbolicLink() && options.symlinks === 'skip') continue;
      if (entry.isSymbolicLink() && options.symlinks === 'refuse') {
        unpackable.push({ path: absolute, reason: 'is a symbolic link; say symlinks: follow, or skip' });
        continue;
      }
      const found = await stat(absolute).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return null;
        throw error;
      });
      if (found === null) {
        const reason = entry.isSymbolicLink()
          ? 'leads to nothing'
          : 'cannot be found by its name, which is perhaps no UTF-8';
        unpackable.push({ path: absolute, reason });
      } else if (found.isDirectory()) {
        if (depth >= maxDepth)
          unpackable.push({ path: absolute, reason: `is deeper than ${maxDepth} folders` });
        else await visit(path, depth + 1);
      } else if (!found.isFile()) {
        unpackable.push({ path: absolute, reason: 'is neither a file nor a folder' });
      } else if (files.length >= maxFiles) {
        throw new Error(`${folder} has more than ${maxFiles} files`);
      } else {
        files.push({ path, absolute, mode: modeOf(found.mode) });
      }
    }
  }

  if (!(await lstat(folder)).isDirectory() && !(await stat(folder)).isDirectory()) {
    throw new Error(`${folder} is no folder`);
  }
  await visit('', 0);
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  return { files, unpackable };
}

/** See `FoundFile.mode`. */
export function modeOf(mode: number): number {
  return (mode & 0o100) === 0 ? 0o644 : 0o755;
}
