/** Runs one command of the tool chain from node_modules/.bin and reports how it went. */
import { spawn } from 'node:child_process';
import { delimiter, join } from 'node:path';

/** The root of the repository. */
export const root = join(import.meta.dirname, '..');

/** How a command ended: its exit code (128 + signal when it was killed) and everything that it printed. */
export type Outcome = { code: number; output: string };

/** Runs `command` in the root with node_modules/.bin first on PATH; `echo` passes its output through as it comes. */
export function run(
  command: string,
  args: readonly string[],
  options: { echo?: boolean; env?: Record<string, string> } = {},
): Promise<Outcome> {
  const path = `${join(root, 'node_modules', '.bin')}${delimiter}${process.env.PATH ?? ''}`;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, ...options.env, PATH: path },
      stdio: options.echo ? 'inherit' : ['ignore', 'pipe', 'pipe'],
    });
    const chunks: Buffer[] = [];
    child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code: code ?? 128, output: Buffer.concat(chunks).toString() }));
  });
}
