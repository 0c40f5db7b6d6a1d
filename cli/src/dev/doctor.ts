/** `iotdh dev doctor`: what could keep the environment from running on this machine, and what to do about it. */

import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFile, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { exitCode } from '../exit-code.ts';
import { type Format, formatOf, printJson } from '../output/format.ts';
import { tableText } from '../output/table.ts';
import { sizeText } from '../quantities.ts';
import type { Terminal } from '../terminal.ts';
import { hasStaleLock, ownerOf } from './folder-lock.ts';
import { isFree, keptPorts } from './ports.ts';

export type Finding = {
  what: string;
  verdict: 'ok' | 'warning' | 'wrong';
  detail: string;
  /** Empty: nothing to do. */
  next: string;
};

const run = promisify(execFile);
const minDiskBytes = 1024 ** 3;
/** The oldest date that a machine with a working clock can have. */
const releasedMs = Date.UTC(2026, 0, 1);

const ok = (what: string, detail: string): Finding => ({ what, verdict: 'ok', detail, next: '' });

export async function examine(terminal: Terminal, folder: string): Promise<Finding[]> {
  return Promise.all([
    nodeVersion(),
    database(terminal),
    ports(folder),
    staleLock(folder),
    authority(folder, terminal.now()),
    clock(terminal.now()),
    disk(folder),
  ]);
}

/** Resolves to the exit code: 1 when something is wrong. */
export async function doctor(
  terminal: Terminal,
  folder: string,
  output: Format | undefined,
): Promise<number> {
  const findings = await examine(terminal, folder);
  const format = formatOf(output, terminal);
  if (format === 'name') {
    for (const { what, verdict } of findings) if (verdict !== 'ok') terminal.out(`${what}\n`);
  } else if (format !== 'table') await printJson(terminal, format, findings);
  else {
    const colours = { ok: 'green', warning: 'yellow', wrong: 'red' } as const;
    const columns = [
      { header: '', value: ({ verdict }: Finding) => terminal.style(colours[verdict], verdict) },
      { header: 'WHAT', value: ({ what }: Finding) => what },
      { header: 'FOUND', value: ({ detail }: Finding) => detail },
      { header: 'WHAT TO DO', value: ({ next }: Finding) => next },
    ];
    terminal.out(tableText(columns, findings, terminal));
  }
  return findings.some(({ verdict }) => verdict === 'wrong') ? exitCode.failed : exitCode.ok;
}

async function nodeVersion(): Promise<Finding> {
  const what = 'Node.js';
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > 24 || (major === 24 && minor >= 12)) return ok(what, process.versions.node);
  return { what, verdict: 'wrong', detail: process.versions.node, next: 'Use Node.js 24.12 or newer' };
}

async function database({ env }: Terminal): Promise<Finding> {
  const what = 'database';
  if (env.MONGODB_URI) return ok(what, 'the one that MONGODB_URI names');
  const found = await run('mongod', ['--version'], { env }).catch(() => undefined);
  if (found !== undefined) return ok(what, found.stdout.split('\n')[0] ?? 'mongod');
  const python = await run('python3', ['-c', 'import sys, venv, ensurepip; print(sys.version.split()[0])'], {
    env,
  }).catch(() => undefined);
  if (python !== undefined) return ok(what, `python3 ${python.stdout.trim()} with venv`);
  return {
    what,
    verdict: 'wrong',
    detail: 'there is neither mongod nor python3 with venv',
    next: 'Install python3-venv or mongod, or set MONGODB_URI',
  };
}

async function ports(folder: string): Promise<Finding> {
  const what = 'ports';
  const kept = await keptPorts(folder);
  if (Object.keys(kept).length === 0) return ok(what, 'none are kept yet; the first start chooses them');
  if ((await ownerOf(folder)) !== undefined) return ok(what, 'in use by the environment itself');
  const taken: string[] = [];
  for (const [name, port] of Object.entries(kept)) if (!(await isFree(port))) taken.push(`${name} ${port}`);
  if (taken.length === 0) return ok(what, `${Object.keys(kept).length} kept, all free`);
  return {
    what,
    verdict: 'warning',
    detail: `taken: ${taken.join(', ')}`,
    next: 'The next start chooses others',
  };
}

async function staleLock(folder: string): Promise<Finding> {
  const what = 'processes';
  const owner = await ownerOf(folder);
  if (owner !== undefined) return ok(what, `run by process ${owner.pid}`);
  if (!(await hasStaleLock(folder))) return ok(what, 'none runs');
  return { what, verdict: 'warning', detail: 'the last one was killed', next: 'The next start cleans up' };
}

async function authority(folder: string, now: Date): Promise<Finding> {
  const what = 'authority';
  const path = join(folder, 'hub', 'certificates', 'ca.pem');
  const pem = await readFile(path).catch(() => undefined);
  if (pem === undefined) return ok(what, 'made by the first start');
  try {
    const { validToDate } = new X509Certificate(pem);
    if (validToDate > now) return ok(what, `valid until ${validToDate.toISOString().slice(0, 10)}`);
    return { what, verdict: 'wrong', detail: `${path} has expired`, next: 'iotdh dev reset makes a new one' };
  } catch {
    return { what, verdict: 'wrong', detail: `${path} is damaged`, next: 'iotdh dev reset makes a new one' };
  }
}

async function clock(now: Date): Promise<Finding> {
  const what = 'clock';
  if (now.getTime() > releasedMs) return ok(what, now.toISOString());
  return {
    what,
    verdict: 'wrong',
    detail: now.toISOString(),
    next: 'Set it: certificates and tokens depend on it',
  };
}

async function disk(folder: string): Promise<Finding> {
  const what = 'disk';
  let place = folder;
  for (;;) {
    const found = await statfs(place).catch(() => undefined);
    if (found !== undefined) {
      const free = found.bavail * found.bsize;
      if (free >= minDiskBytes) return ok(what, `${sizeText(free)} free`);
      return {
        what,
        verdict: 'warning',
        detail: `${sizeText(free)} free`,
        next: 'Packs need room: free some',
      };
    }
    if (dirname(place) === place) return { what, verdict: 'warning', detail: 'not known', next: '' };
    place = dirname(place);
  }
}
