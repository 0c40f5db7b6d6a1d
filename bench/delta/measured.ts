/** Runs a command to its end and says what it cost. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

export type Cost = { cpuSeconds: number; peakBytes: number };

const run = promisify(execFile);

/** How a command ends that is killed: itself, or what the shell in it runs. */
const killed = [-9, 128 + 9];

/** `stopped`: it took more CPU than `limitSeconds`. Throws when the command fails. */
export async function measured(
  command: readonly string[],
  cwd: string,
  limitSeconds: number,
): Promise<Cost | 'stopped'> {
  const script = join(import.meta.dirname, 'measured.py');
  // Without what Python loads for its users: the kernel would count it as the command's.
  const { stdout, stderr } = await run('python3', ['-I', '-S', script, `${limitSeconds}`, ...command], {
    cwd,
    maxBuffer: 16 * 2 ** 20,
  });
  const { code, ...cost } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Cost & { code: number };
  if (killed.includes(code)) return 'stopped';
  if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}: ${stderr.slice(-400)}`);
  return cost;
}

/** Whether a program is installed. */
export const isInstalled = (program: string): Promise<boolean> =>
  run('sh', ['-c', 'command -v "$1"', 'sh', program]).then(
    () => true,
    () => false,
  );
