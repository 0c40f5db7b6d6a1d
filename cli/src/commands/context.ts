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
};

export async function openContext(options: GlobalOptions, terminal: Terminal): Promise<Context> {
  const { connectFleet } = await import('../connection/fleet.ts');
  const { formatOf } = await import('../output/format.ts');
  return {
    terminal,
    fleet: await connectFleet(options, terminal),
    format: formatOf(options.output, terminal),
  };
}

/** Says that a list was cut, so that nobody takes it for the whole. */
export function noteMore(terminal: Terminal, more: boolean, limit: number): void {
  if (more) terminal.note(`There are more than ${limit}; --limit shows more.`);
}
