/** The data folder: what lies in it, databases included, is for the agent's user alone, because nobody else may enter it. */
import { chmodSync, statSync } from 'node:fs';
import { makePrivateFolder } from './document.ts';

/**
 * Makes the folder if it is absent, and closes it to everybody else if it is the agent's own. Throws when others may enter it
 * and it is not the agent's to close. On Windows the folder's access list is the installation's to set.
 */
export function claimFolder(path: string): void {
  makePrivateFolder(path);
  if (process.platform === 'win32') return;
  const { mode, uid } = statSync(path);
  if ((mode & 0o077) === 0) return;
  const isShared = (mode & 0o1000) !== 0;
  if (uid !== process.getuid?.() || isShared) {
    throw new Error(
      `others than the agent's user may enter ${path}: give the agent a folder of its own, with mode 0700`,
    );
  }
  chmodSync(path, 0o700);
}
