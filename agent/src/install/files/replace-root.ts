/**
 * Replaces a root as a whole: `<work>/new` is staged, then the root moves to `<work>/previous` and the new one takes its
 * place. Which of the three folders exist tells how far it has come, so that it goes on, or back, from anywhere.
 */
import { chmod, chown, mkdir, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { FileSet } from '@iotdh/proto/update/v1';
import { type ComponentContext, done, failed } from '../component-installer.ts';
import { lookAt, move, readIfThere, removeFolder, syncFolder, writeDurably } from '../durable.ts';
import type { ActionEnd } from '../ports.ts';
import { digestOf, hexOf, type Owner, stageContent } from './content.ts';
import type { FileSwap } from './file-swap.ts';
import type { Place } from './place.ts';

export function createRootReplacement(set: FileSet, place: Place, context: ComponentContext): FileSwap {
  const { root, work } = place;
  const { id, failPoint } = context;
  const fresh = join(work, 'new');
  const previous = join(work, 'previous');
  const takenBack = join(work, 'taken-back');
  const note = join(context.notes, 'root.json');
  const exists = async (path: string): Promise<boolean> => (await lookAt(path)) !== null;

  /** Something made a root of its own while there was none: it is kept with the rest of the job, in nobody's way. */
  async function clearRoot(): Promise<void> {
    if (!(await exists(root))) return;
    const strays = (await readdir(work)).filter((name) => name.startsWith('stray-'));
    await move(root, join(work, `stray-${strays.length + 1}`));
  }

  async function stage(signal: AbortSignal): Promise<void> {
    await removeFolder(work);
    await mkdir(work, { mode: 0o700 });
    await mkdir(fresh);
    const old = await lookAt(root);
    const owner: Owner | null = process.getuid?.() === 0 ? old : null;
    const folders = new Set([fresh]);
    for (const file of set.files) {
      signal.throwIfAborted();
      const to = join(fresh, file.path);
      const folder = dirname(to);
      if (!folders.has(folder)) await mkdir(folder, { recursive: true });
      for (let each = folder; !folders.has(each); each = dirname(each)) {
        folders.add(each);
        await chmod(each, 0o755);
        if (owner !== null) await chown(each, owner.uid, owner.gid);
      }
      await stageContent(file, context.contentPath(hexOf(file.digest)), to, owner, signal);
      failPoint('file_staged', id);
    }
    await chmod(fresh, old === null ? 0o755 : old.mode & 0o777);
    if (owner !== null) await chown(fresh, owner.uid, owner.gid);
    for (const folder of folders) await syncFolder(folder);
    await syncFolder(work);
    await syncFolder(dirname(work));
  }

  return {
    stage,
    async differsInStage(signal) {
      for (const file of set.files) {
        const found = await digestOf(join(fresh, file.path), signal).catch(() => null);
        if (found !== hexOf(file.digest)) return `the staged ${file.path} is not what its digest says`;
      }
      return null;
    },
    begun: async () => (await readIfThere(note)) !== null,
    async apply(): Promise<ActionEnd> {
      if ((await readIfThere(note)) === null) {
        await writeDurably(note, JSON.stringify({ hadRoot: await exists(root) }));
      }
      const { hadRoot } = JSON.parse((await readIfThere(note)) ?? '{}') as { hadRoot: boolean };
      if (!(await exists(fresh)))
        return (await exists(root)) ? done : failed(`${root} and its stage are gone`);
      if (hadRoot && !(await exists(previous))) await move(root, previous);
      failPoint('root_moved_out', id);
      await clearRoot();
      await move(fresh, root);
      failPoint('root_moved_in', id);
      return done;
    },
    async restore(): Promise<ActionEnd> {
      const noted = await readIfThere(note);
      if (noted === null) return done;
      const { hadRoot } = JSON.parse(noted) as { hadRoot: boolean };
      const movedIn = !(await exists(fresh)) && !(await exists(takenBack));
      if (movedIn && (await exists(root))) await move(root, takenBack);
      failPoint('root_taken_out', id);
      if (hadRoot && (await exists(previous))) {
        await clearRoot();
        await move(previous, root);
      }
      failPoint('root_put_back', id);
      return !hadRoot || (await exists(root))
        ? done
        : failed(`${root} is gone, and so is what was kept of it`);
    },
    async letGo() {
      await removeFolder(work);
    },
  };
}
