/** Runs what talks to a fleet: the connection is made, and modules are loaded, only then. */
import { type Command, InvalidArgumentError } from 'commander';
import type { Context, GlobalOptions } from '../commands/context.ts';
import type { Terminal } from '../terminal.ts';

/** What the definitions of commands share. */
export type Tree = {
  terminal: Terminal;
  /** What the process exits with although nothing failed. */
  setExitCode(code: number): void;
};

/** An action of a command that talks to a fleet. */
export async function withFleet(
  { terminal }: Tree,
  command: Command,
  work: (context: Context) => Promise<void>,
): Promise<void> {
  const { openContext } = await import('../commands/context.ts');
  await work(await openContext(command.optsWithGlobals<GlobalOptions>(), terminal));
}

/** A whole number of at least one, for an option. */
export function positive(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('It must be a whole number from 1 on.');
  return value;
}
