/** What every command that talks to a fleet gets. */
import type { Fleet } from '../connection/fleet.ts';
import type { TargetOptions } from '../connection/target.ts';
import type { Format } from '../output/format.ts';
import type { Terminal } from '../terminal.ts';

/** Options of the whole program. */
export type GlobalOptions = TargetOptions & { output?: Format };

export type Context = {
  terminal: Terminal;
  fleet: Fleet;
  format: Format;
  /** A folder of keys that sign what is uploaded. Empty: none. */
  keysFolder: string;
};

export async function openContext(options: GlobalOptions, terminal: Terminal): Promise<Context> {
  const { fleetAt } = await import('../connection/fleet.ts');
  const { findTarget } = await import('../connection/target.ts');
  const { formatOf } = await import('../output/format.ts');
  const target = await findTarget(options, terminal);
  return {
    terminal,
    keysFolder: target.keysFolder,
    fleet: fleetAt(target),
    format: formatOf(options.output, terminal),
  };
}

/** Says that a list was cut, so that nobody takes it for the whole. */
export function noteMore(terminal: Terminal, more: boolean, limit: number): void {
  if (more) terminal.note(`There are more than ${limit}; --limit shows more.`);
}
