/** Says what a signature is for, and asks before it is made. */
import { confirmed } from '../confirmed.ts';
import { exitCode } from '../exit-code.ts';
import { Failure } from '../failure.ts';
import type { Terminal } from '../terminal.ts';

/** Throws a `Failure` when the answer is no. */
export async function approveSigning(
  terminal: Terminal,
  lines: readonly string[],
  isApproved = false,
): Promise<void> {
  for (const line of lines) terminal.note(line);
  if (isApproved || (await confirmed(terminal, 'Sign it?'))) return;
  throw new Failure(exitCode.usage, 'nothing was signed', {
    next: 'Say --yes to sign without a question.',
  });
}
