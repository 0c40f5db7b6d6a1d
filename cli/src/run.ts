/** Runs one command line and turns whatever comes of it into an exit code. */
import { CommanderError } from 'commander';
import { exitCode } from './exit-code.ts';
import { Failure } from './failure.ts';
import { createProgram } from './program.ts';
import type { Terminal } from './terminal.ts';

/** Resolves to the exit code; never rejects. */
export async function run(args: readonly string[], terminal: Terminal): Promise<number> {
  let code: number = exitCode.ok;
  try {
    const program = createProgram(terminal, (later) => {
      code = later;
    });
    await program.parseAsync(args, { from: 'user' });
    return code;
  } catch (error) {
    return explain(error, terminal);
  }
}

async function explain(error: unknown, terminal: Terminal): Promise<number> {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCode.ok : exitCode.usage;
  if (terminal.signal.aborted) return exitCode.interrupted;
  const failure = error instanceof Failure ? error : await translate(error);
  const label = terminal.style('red', 'error:', 'note');
  terminal.note(`${label} ${failure.message}`);
  if (failure.next !== '') terminal.note(`  ${failure.next.replaceAll('\n', '\n  ')}`);
  return failure.exitCode;
}

/** What is neither ours nor the server's is a bug or a broken machine: its stack helps whoever looks for it. */
async function translate(error: unknown): Promise<Failure> {
  const { rpcFailure } = await import('./connection/rpc-failure.ts');
  const known = rpcFailure(error);
  if (known !== undefined) return known;
  const { message, stack, code } = error as NodeJS.ErrnoException;
  // The system's own words for a file or a port say enough.
  const text = code === undefined ? (stack ?? String(error)) : message;
  return new Failure(exitCode.failed, text, { cause: error });
}
