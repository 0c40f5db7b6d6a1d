/** Generates the code anew beside the committed code and compares: a change of proto/ comes with its generated code. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Outcome, root, run } from './run.ts';

/** The folders under gen/ts that the generator owns; everything else there is written by hand. */
const generatedFolders = ['iotdh', 'buf'];

export async function generatedDrift(): Promise<Outcome> {
  const folder = await mkdtemp(join(tmpdir(), 'iotdh-generated-'));
  try {
    const generated = await run('buf', ['generate', '-o', folder]);
    if (generated.code !== 0) return generated;
    const outcomes = await Promise.all(
      generatedFolders.map((name) =>
        run('diff', ['-r', '-u', join(root, 'gen', 'ts', name), join(folder, 'gen', 'ts', name)]),
      ),
    );
    const different = outcomes.filter((outcome) => outcome.code !== 0);
    if (different.length === 0) return { code: 0, output: '' };
    const diff = different.map((outcome) => outcome.output).join('\n');
    return {
      code: 1,
      output: `gen/ts differs from proto/: run \`npm run generate\` and commit it.\n${diff.slice(0, 4000)}`,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
