/**
 * Replaces files one by one inside a root: `<work>/new/<n>` is staged; what is there is first kept as `<work>/old/<n>`, all
 * of it, and only then replaced, each file by one rename. A file is there in its old or its new form at every instant.
 */
import { link, mkdir, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { FileSet } from '@iotdh/proto/update/v1';
import { type ComponentContext, done, failed, wordsOf } from '../component-installer.ts';
import { lookAt, readIfThere, removeFolder, syncFolder, writeDurably } from '../durable.ts';
import type { ActionEnd } from '../ports.ts';
import { digestOf, hexOf, type Owner, stageContent } from './content.ts';
import type { FileSwap } from './file-swap.ts';
import { refuseOnDisk } from './paths.ts';
import type { Place } from './place.ts';

/** What there was before: which of the paths, by number, and which of their folders there were not, the outermost first. */
type Note = { existed: number[]; absentFolders: string[] };

export function createMerge(set: FileSet, { root, work }: Place, context: ComponentContext): FileSwap {
  const { id, failPoint } = context;
  const note = join(context.notes, 'merge.json');
  const paths = [...set.files.map(({ path }) => path), ...set.removedPaths];
  const target = (index: number) => join(root, paths[index] ?? '');
  const fresh = (index: number) => join(work, 'new', String(index));
  const old = (index: number) => join(work, 'old', String(index));
  const exists = async (path: string): Promise<boolean> => (await lookAt(path)) !== null;
  const numbers = [...paths.keys()];

  async function readNote(): Promise<Note | null> {
    const text = await readIfThere(note);
    return text === null ? null : (JSON.parse(text) as Note);
  }

  /** Every folder of the paths, the root included, the outermost first. */
  function folders(): string[] {
    const all = new Set([root]);
    for (const path of paths) {
      for (let folder = dirname(path); folder !== '.'; folder = dirname(folder)) all.add(join(root, folder));
    }
    return [...all].sort((a, b) => a.length - b.length);
  }

  /** Keeps what is there under a second name; it stays in its place meanwhile. */
  async function keep(): Promise<Note> {
    const found: Note = { existed: [], absentFolders: [] };
    await removeFolder(join(work, 'old'));
    await mkdir(join(work, 'old'));
    for (const folder of folders()) if (!(await exists(folder))) found.absentFolders.push(folder);
    for (const index of numbers) {
      if (!(await exists(target(index)))) continue;
      await link(target(index), old(index));
      found.existed.push(index);
    }
    await syncFolder(join(work, 'old'));
    await writeDurably(note, JSON.stringify(found));
    return found;
  }

  async function syncFolders(): Promise<void> {
    for (const folder of folders()) if (await exists(folder)) await syncFolder(folder);
    if (await exists(dirname(root))) await syncFolder(dirname(root));
  }

  return {
    async stage(signal) {
      await removeFolder(work);
      await mkdir(work, { mode: 0o700 });
      await mkdir(join(work, 'new'));
      const rootFolder = await lookAt(root);
      const maySetOwner = process.getuid?.() === 0;
      for (const [index, file] of set.files.entries()) {
        signal.throwIfAborted();
        const owner: Owner | null = maySetOwner ? ((await lookAt(target(index))) ?? rootFolder) : null;
        await stageContent(file, context.contentPath(hexOf(file.digest)), fresh(index), owner, signal);
        failPoint('file_staged', id);
      }
      await syncFolder(join(work, 'new'));
      await syncFolder(work);
      await syncFolder(dirname(work));
    },
    async differsInStage(signal) {
      for (const [index, file] of set.files.entries()) {
        const found = await digestOf(fresh(index), signal).catch(() => null);
        if (found !== hexOf(file.digest)) return `the staged ${file.path} is not what its digest says`;
      }
      return null;
    },
    begun: async () => (await readNote()) !== null,
    async apply(): Promise<ActionEnd> {
      const refused = await refuseOnDisk(root, paths);
      if (refused !== null) return failed(refused);
      if ((await readNote()) === null) await keep();
      failPoint('files_kept', id);
      for (const index of numbers) {
        if (index >= set.files.length) await rm(target(index), { force: true });
        else if (await exists(fresh(index))) {
          await mkdir(dirname(target(index)), { recursive: true });
          await rename(fresh(index), target(index));
        }
        failPoint('file_replaced', id);
      }
      await syncFolders();
      return done;
    },
    async restore(): Promise<ActionEnd> {
      const noted = await readNote();
      if (noted === null) return done;
      const existed = new Set(noted.existed);
      const lost: string[] = [];
      for (const index of numbers) {
        try {
          if (existed.has(index)) {
            // Kept and in its place under two names, a file is left alone by rename(2); the second name goes with the rest.
            if (await exists(old(index))) {
              await mkdir(dirname(target(index)), { recursive: true });
              await rename(old(index), target(index));
            }
          } else if (index < set.files.length && !(await exists(fresh(index)))) {
            await rm(target(index), { force: true });
          }
        } catch (error) {
          lost.push(`${paths[index]}: ${wordsOf(error)}`);
        }
        failPoint('file_put_back', id);
      }
      for (const folder of noted.absentFolders.toReversed()) {
        // Not empty: somebody has put something there since, and it is theirs.
        await rmdir(folder).catch(() => {});
      }
      await syncFolders();
      return lost.length === 0 ? done : failed(`not put back: ${lost.slice(0, 5).join('; ')}`);
    },
    letGo: () => removeFolder(work),
  };
}
