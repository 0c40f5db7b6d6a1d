/** Runs one program of the operating system, with its arguments and nothing from a shell. */
import { execFile } from 'node:child_process';

const toolMs = 30_000;
const maxOutputBytes = 64 * 1024;

/** Resolves with null once it has ended well, or with what went wrong. */
export function runTool(program: string, args: readonly string[]): Promise<string | null> {
  return new Promise((resolve) => {
    execFile(program, args, { timeout: toolMs, maxBuffer: maxOutputBytes }, (error, _stdout, stderr) => {
      if (error === null) resolve(null);
      else
        resolve(error.killed ? `${program} took longer than ${toolMs} ms` : stderr.trim() || error.message);
    });
  });
}
