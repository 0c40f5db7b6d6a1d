/** Debian's python3 comes without pip, but its venv brings one: a private environment that is made once and kept. */
import { access, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Run } from '../run.ts';

/** The path of a Python that has pip. */
export async function pythonWithPip(folder: string, run: Run): Promise<string> {
  const environment = join(folder, 'releases');
  const python = join(environment, 'bin', 'python');
  const isComplete = () =>
    access(join(environment, 'complete')).then(
      () => true,
      () => false,
    );
  // The machine's Python may have been replaced since.
  if ((await isComplete()) && (await run(python, ['-m', 'pip', '--version']).catch(() => null)) !== null) {
    return python;
  }
  await mkdir(folder, { recursive: true });
  await rm(environment, { recursive: true, force: true });
  // pip runs by `-m` only, so the environment works at another path than it was made at.
  const fresh = await mkdtemp(join(folder, '.making-'));
  try {
    await run('python3', ['-m', 'venv', fresh]);
    await writeFile(join(fresh, 'complete'), '');
    await rename(fresh, environment).catch(async (error: NodeJS.ErrnoException) => {
      // Somebody else was quicker.
      if (!(error.code === 'ENOTEMPTY' || error.code === 'EEXIST') || !(await isComplete())) throw error;
    });
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
  return python;
}
