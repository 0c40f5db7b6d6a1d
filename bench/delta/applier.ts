/** What applies a delta, as JavaScript and with the arguments of V8, as the agent is published. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { environment, nodeArguments } from '../../agent/build.ts';
import { root, run } from '../../tools/run.ts';

/** Compiles it into `folder`. Answers the path of a program, which without arguments ends once it has loaded what it would need. */
export async function buildApplier(folder: string): Promise<string> {
  const options = ['--module', 'nodenext', '--target', 'es2024', '--types', 'node', '--skipLibCheck'];
  const { code, output } = await run('tsc', [
    ...['--ignoreConfig', join(import.meta.dirname, 'apply-process.ts'), '--rewriteRelativeImportExtensions'],
    ...[...options, '--rootDir', root, '--outDir', folder],
  ]);
  if (code !== 0) throw new Error(`what applies a delta does not compile: ${output}`);
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }\n');
  const program = join(folder, 'apply');
  const variables = Object.entries(environment).map(([name, value]) => `export ${name}=${value}\n`);
  const main = `"$(dirname "$0")"/bench/delta/apply-process.js`;
  const command = `exec ${process.execPath} ${nodeArguments.join(' ')} ${main} "$@"\n`;
  await writeFile(program, `#!/bin/sh\n${variables.join('')}${command}`, { mode: 0o755 });
  return program;
}
