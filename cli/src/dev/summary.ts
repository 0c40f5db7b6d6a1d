/** What others need to know of an environment that runs: kept in its folder, for its owner alone, since it holds keys. */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeWhole } from '../write-whole.ts';
import type { Environment } from './environment.ts';

export type Summary = Pick<
  Environment,
  | 'folder'
  | 'apiUrl'
  | 'brokerUrl'
  | 'caPath'
  | 'operatorTokenFile'
  | 'trustRootFile'
  | 'keysFolder'
  | 'hub'
  | 'storageConnectionString'
  | 'databaseUri'
  | 'ports'
> & { parts: { name: string; pid: number; logPath: string }[] };

const summaryFile = 'environment.json';

export async function writeSummary(environment: Environment): Promise<void> {
  const { stop: _, parts, ...rest } = environment;
  const summary: Summary = {
    ...rest,
    parts: [...new Set(Object.values(parts))].map(({ name, pid, logPath }) => ({ name, pid, logPath })),
  };
  await writeWhole(join(environment.folder, summaryFile), `${JSON.stringify(summary, undefined, 2)}\n`);
}

/** Undefined when none runs, or is not ready yet. */
export async function readSummary(folder: string): Promise<Summary | undefined> {
  const text = await readFile(join(folder, summaryFile), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as Summary);
}

export const removeSummary = (folder: string): Promise<void> =>
  rm(join(folder, summaryFile), { force: true });
