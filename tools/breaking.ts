/** Compares the contract with the previous commit's: `buf breaking`, offline, against what git holds. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Outcome, run } from './run.ts';

/** HEAD while the contract is being edited, the commit before it once the edit is committed. */
async function previousCommit(): Promise<string> {
  const edited = await run('git', ['status', '--porcelain', '--', 'proto', 'buf.yaml']);
  return edited.output.trim() === '' ? 'HEAD~1' : 'HEAD';
}

/** Passes when the previous commit has no contract yet, as in the first commit or in a clone of depth one. */
export async function breaking(): Promise<Outcome> {
  const commit = await previousCommit();
  const tree = await run('git', ['cat-file', '-e', `${commit}:buf.yaml`]);
  if (tree.code !== 0) return { code: 0, output: '' };
  const folder = await mkdtemp(join(tmpdir(), 'iotdh-contract-'));
  try {
    const tarball = join(folder, 'contract.tar');
    for (const step of [
      ['git', 'archive', '-o', tarball, commit, 'proto', 'buf.yaml'],
      ['tar', '-xf', tarball, '-C', folder],
    ] as const) {
      const [command, ...args] = step;
      const outcome = await run(command, args);
      if (outcome.code !== 0) return outcome;
    }
    return await run('buf', ['breaking', '--against', folder]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
