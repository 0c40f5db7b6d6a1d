/** The files of a component a or d: staged beside their root, swapped in, and swapped back when anything fails. */
import { join } from 'node:path';
import { type FileSet, FileSetMode } from '@iotdh/proto/update/v1';
import { type ComponentContext, type ComponentInstaller, failed, stopped } from '../component-installer.ts';
import { lookAt } from '../durable.ts';
import { digestOf, hexOf } from './content.ts';
import { createMerge } from './merge-files.ts';
import { refuseOnDisk, refusePaths } from './paths.ts';
import type { Place } from './place.ts';
import { createRootReplacement } from './replace-root.ts';

export function createFileSet(set: FileSet, place: Place, context: ComponentContext): ComponentInstaller {
  const merges = set.mode === FileSetMode.MERGE;
  const swap = merges ? createMerge(set, place, context) : createRootReplacement(set, place, context);
  const paths = [...set.files.map(({ path }) => path), ...set.removedPaths];

  async function refusal(): Promise<string | null> {
    if (!merges && set.mode !== FileSetMode.REPLACE_ROOT)
      return 'this agent does not know the mode of the file set';
    const inManifest = refusePaths(set);
    if (inManifest !== null || !merges) return inManifest;
    return await refuseOnDisk(place.root, paths);
  }

  return {
    atomic: true,
    notRestorable: null,
    refusal,
    async stage(signal) {
      const refused = await refusal();
      if (refused !== null) return failed(refused);
      try {
        await swap.stage(signal);
      } catch (error) {
        if (signal.aborted) return stopped;
        throw error;
      }
      return { kind: 'done', detail: `${set.files.length} files staged and verified` };
    },
    async apply(signal, again) {
      if (again && !(await swap.begun())) {
        const differs = await swap.differsInStage(signal);
        if (signal.aborted) return stopped;
        if (differs !== null) return failed(differs);
      }
      return await swap.apply();
    },
    restore: () => swap.restore(),
    letGo: () => swap.letGo(),
    async filesMatch(signal) {
      for (const file of set.files) {
        const path = join(place.root, file.path);
        if (!(await lookAt(path))?.isFile()) return `${path} is not there as a file`;
        if ((await digestOf(path, signal)) !== hexOf(file.digest))
          return `${path} is not what its digest says`;
      }
      for (const path of set.removedPaths) {
        if ((await lookAt(join(place.root, path))) !== null)
          return `${join(place.root, path)} is still there`;
      }
      return null;
    },
  };
}
