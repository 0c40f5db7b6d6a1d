/** Where a file set goes and where its stage is: beside the root, so that one rename moves it in. */
import { realpath, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { lookAt } from '../durable.ts';

/** Noted in the job's journal: what a symbolic link leads to must not change while a job is under way. */
export type Place = {
  /** The root itself, no symbolic link. It need not exist. */
  root: string;
  /** The job's own folder beside it: `<root>.update-<job>-<component>`. */
  work: string;
};

/** Resolves a configured root. Throws when its parent does not exist, or it is no folder or a file system of its own. */
export async function findPlace(configured: string, job: string, component: string): Promise<Place> {
  const there = await lookAt(configured);
  const root =
    there === null
      ? join(await realpath(dirname(configured)), basename(configured))
      : await realpath(configured);
  const found = await lookAt(root);
  if (found !== null && !found.isDirectory()) throw new Error(`${root} is not a folder`);
  if (found !== null && found.dev !== (await stat(dirname(root))).dev) {
    throw new Error(`${root} is a mount point, so that nothing can be staged beside it`);
  }
  return { root, work: `${root}.update-${job}-${component}` };
}
