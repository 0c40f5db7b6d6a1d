/** Files that hold a key: made once, whole or not at all, for their owner alone. */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  copyFileSync,
  fsyncSync,
  linkSync,
  openSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';

/**
 * Durable when it returns. Throws EEXIST when the file is there: unlike a rename, a link never replaces what another process has just
 * made. Whoever is killed leaves at most a file beside it that nobody reads.
 */
export function writeNewFile(path: string, text: string, link: typeof linkSync = linkSync): void {
  const making = `${path}.${randomBytes(6).toString('hex')}.making`;
  try {
    const file = openSync(making, 'wx', 0o600);
    try {
      writeFileSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    try {
      link(making, path);
    } catch (error) {
      if (!isWithoutLinks(error)) throw error;
      // A stick with FAT, or a share. It is not replaced there either, but a crash can leave a part of it.
      copyFileSync(making, path, constants.COPYFILE_EXCL);
      sync(path, 'r+');
    }
  } finally {
    rmSync(making, { force: true });
  }
  // Windows neither needs nor allows it.
  if (process.platform !== 'win32') sync(dirname(path), 'r');
}

const isWithoutLinks = (error: unknown): boolean =>
  ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes((error as NodeJS.ErrnoException).code ?? '');

function sync(path: string, flags: string): void {
  const opened = openSync(path, flags);
  try {
    fsyncSync(opened);
  } finally {
    closeSync(opened);
  }
}
