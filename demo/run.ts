/** Runs a command to its end. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Resolves to what the command printed. Throws when it fails, with what it said about it. */
export type Run = (command: string, args: readonly string[]) => Promise<string>;

const execute = promisify(execFile);

/** Commands that are ended when the signal aborts. */
export function createRun(signal: AbortSignal): Run {
  return async (command, args) => {
    const { stdout } = await execute(command, args, { signal, maxBuffer: 4 * 1024 * 1024 });
    return stdout;
  };
}
