/** The lockfile names no registry host, so that it works behind any mirror, and pins every package by its hash. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Outcome, root } from './run.ts';

type Lockfile = { packages: Record<string, { resolved?: string; integrity?: string; link?: boolean }> };

export async function lockfileHosts(): Promise<Outcome> {
  const lockfile = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')) as Lockfile;
  const problems = Object.entries(lockfile.packages).flatMap(([path, entry]) => {
    if (/^[a-z+]+:\/\//.test(entry.resolved ?? '')) return [`${path}: resolved to ${entry.resolved}`];
    const fromRegistry = path.includes('node_modules/') && !entry.link;
    return fromRegistry && !entry.integrity ? [`${path}: no integrity hash`] : [];
  });
  return { code: problems.length === 0 ? 0 : 1, output: problems.join('\n') };
}
