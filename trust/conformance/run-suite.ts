/** Runs TUF's conformance suite, from a checkout, against the device's client. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Case } from './judge.ts';

export type SuiteOptions = {
  /** The checkout. */
  suite: string;
  /** A Python that has what is in `requirements.txt`. */
  python: string;
  /** More arguments for pytest. */
  pytest?: readonly string[];
  env: Readonly<Record<string, string | undefined>>;
  signal: AbortSignal;
};

/** pytest's exit codes: all passed; some failed. Anything else is no run. */
const ran = [0, 1];

type Report = { tests?: { nodeid: string; outcome: string }[] };

/** What pytest prints goes to this process's stdout. Throws when the suite could not be run. */
export async function runSuite({ suite, python, pytest = [], env, signal }: SuiteOptions): Promise<Case[]> {
  const folder = await mkdtemp(join(tmpdir(), 'iotdh-tuf-conformance-'));
  try {
    // The suite takes the path of a program, and splits it at spaces.
    const client = join(folder, 'client');
    const quoted = [process.execPath, join(import.meta.dirname, 'client.ts')].map((path) => `'${path}'`);
    await writeFile(client, `#!/bin/sh\nexec ${quoted.join(' ')} "$@"\n`, { mode: 0o700 });
    const report = join(folder, 'report.json');
    const child = spawn(
      python,
      [
        ...['-m', 'pytest', '-p', 'no:cacheprovider', join(suite, 'tuf_conformance'), '--entrypoint', client],
        ...['--json-report', `--json-report-file=${report}`, ...pytest],
      ],
      {
        cwd: folder,
        // Hundreds of short processes: what is compiled once need not be compiled again.
        env: { ...env, PYTHONDONTWRITEBYTECODE: '1', NODE_COMPILE_CACHE: join(folder, 'compiled') },
        stdio: ['ignore', 'inherit', 'inherit'],
        signal,
      },
    );
    const [code] = (await once(child, 'close')) as [number | null];
    if (!ran.includes(code ?? -1)) throw new Error(`pytest ended with ${code ?? 'a signal'}`);
    const { tests = [] } = JSON.parse(await readFile(report, 'utf8')) as Report;
    return tests.map(({ nodeid, outcome }) => ({ name: nodeid.split('::').at(-1) ?? nodeid, outcome }));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
