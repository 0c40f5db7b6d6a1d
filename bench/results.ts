/** Writes what was measured into bench/RESULTS.md, section by section, with the machine and the date. */
import { readFile, writeFile } from 'node:fs/promises';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';

/** One measurement: ours, the peer's in the same run, and their ratio; NaN where the peer has none. */
export type Row = { what: string; ours: string; peer: string; ratio: number; goal: string };

const path = join(import.meta.dirname, 'RESULTS.md');

export function median(figures: readonly number[]): number {
  const sorted = [...figures].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

const medians = 'Medians over the rounds; each ratio is the median of the ratios round by round.';

export const markdownTable = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

const rowsTable = (rows: readonly Row[]): string =>
  markdownTable(
    ['what', 'ours', 'peer', 'ratio', 'goal'],
    rows.map(({ what, ours, peer, ratio, goal }) => [
      ...[what, ours, peer, Number.isFinite(ratio) ? ratio.toFixed(2) : '–', goal],
    ]),
  );

/**
 * The rows as a table, or Markdown as it is, under the machine that they were measured on. `method`: how the figures come from the
 * rounds.
 */
export function section(
  { title, peer, method = medians }: { title: string; peer: string; method?: string },
  found: readonly Row[] | string,
  now: Date,
): string {
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.version}`;
  return [
    `## ${title}`,
    `${now.toISOString().slice(0, 10)}, ${machine}. The peer: ${peer}. ${method}`,
    `${typeof found === 'string' ? found : rowsTable(found)}\n`,
  ].join('\n\n');
}

/** Puts a section in the place of the one with the same title, or at the end. */
export async function record(title: string, text: string): Promise<void> {
  const whole = await readFile(path, 'utf8');
  const start = whole.indexOf(`## ${title}\n`);
  if (start < 0) return writeFile(path, `${whole.trimEnd()}\n\n${text}`);
  const next = whole.indexOf('\n## ', start + 1);
  const rest = next < 0 ? '' : whole.slice(next + 1);
  await writeFile(path, `${whole.slice(0, start)}${text}${rest === '' ? '' : `\n${rest}`}`);
}
