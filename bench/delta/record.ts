/** What was measured of a pair, kept beside its files: a run that is cut short goes on, and the table has all pairs. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cost } from './measured.ts';

export type Figures = { bytes: number; encode: Cost; apply: Cost };

export type PairRecord = {
  /** The day on which ours was measured last. */
  date: string;
  /** Of the file that the device is to have. */
  newBytes: number;
  /** The most that Node has in memory when it does nothing, and when it has loaded what applies a delta. */
  idle: { bareBytes: number; loadedBytes: number };
  /** By the name of the tool: figures, or in words why there are none. */
  tools: Record<string, Figures | string>;
};

const file = (folder: string): string => join(folder, 'measured.json');

/** Undefined: of this pair nothing was measured. */
export async function readRecord(folder: string): Promise<PairRecord | undefined> {
  const text = await readFile(file(folder), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : JSON.parse(text);
}

export async function writeRecord(folder: string, record: PairRecord): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(file(folder), JSON.stringify(record, null, 2));
}
