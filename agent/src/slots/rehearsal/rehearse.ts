/** One rehearsal: bases that work, that fail their checks and that hang, on a machine in qemu, with the power cut when one hangs. */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildDisk } from './disk.ts';
import { type Line, runMachine } from './machine.ts';
import type { Found } from './packages.ts';

export type RehearsalOptions = {
  found: Found;
  repository: string;
  signal: AbortSignal;
  onLine: (line: Line) => void;
  onConsole?: (text: string) => void;
};

/** The last hangs in a machine whose firmware then also forgets its variables. */
export const bases = ['one-works', 'two-fails', 'three-hangs', 'four-hangs'];

/** Resolves with everything that the machine said. Throws when it did not come to its end. */
export async function rehearse({ found, repository, ...rest }: RehearsalOptions): Promise<Line[]> {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-rehearsal-'));
  const lines: Line[] = [];
  const keep = (line: Line) => {
    lines.push(line);
    rest.onLine(line);
  };
  try {
    const disk = await buildDisk({ folder, found, repository, bases });
    const options = { ...rest, found, disk, folder, silenceMs: 600_000, onLine: keep };
    for (let starts = 0; starts < bases.length; starts += 1) {
      const last = await runMachine(options, ({ what }) => what === 'hangs');
      if (last?.what !== 'hangs') break;
      keep({ what: 'power_cut' });
      if (last.system !== bases.at(-1)) continue;
      copyFileSync(found.variables, join(folder, 'variables.fd'));
      keep({ what: 'variables_lost' });
    }
    if (!lines.some(({ what }) => what === 'done')) throw new Error('the machine did not come to its end');
    return lines;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
