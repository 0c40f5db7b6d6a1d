/** What can be fuzzed, by name. A target is loaded when it runs; what it runs is beside the code that it tries. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { FuzzOptions } from '../delta/fuzz/each-input.ts';
import { root } from './run.ts';

export type FuzzTarget = {
  name: string;
  /** What it tries, for the list of targets. */
  title: string;
  /** How many inputs, unless it is said. */
  inputs: number;
  /** What was seen. Throws for an input that breaks what must hold, and names it. */
  run(options: FuzzOptions): Promise<object>;
};

/** The local hub in a process of its own, since an exception that escapes it must end that; `more` are its own options. */
export const localHubTarget = (more: readonly string[]): FuzzTarget => ({
  name: 'local-hub',
  title: 'malformed clients, while a healthy device works on',
  inputs: 100_000,
  async run({ inputs, seed, signal }) {
    const main = join(root, 'local-hub', 'fuzz', 'main.ts');
    const child = spawn(process.execPath, [main, '--inputs', `${inputs}`, '--seed', `${seed}`, ...more], {
      stdio: 'inherit',
      signal,
    });
    const [code] = await once(child, 'exit');
    if (code !== 0) throw new Error(`local-hub/fuzz/main.ts ended with ${code}`);
    return { inputs };
  },
});

export const fuzzTargets: readonly FuzzTarget[] = [
  {
    name: 'delta',
    title: 'damaged and invented deltas, applied',
    inputs: 1_000_000,
    run: async (options) => (await import('../delta/fuzz/fuzz.ts')).fuzzDelta(options),
  },
  {
    name: 'metadata',
    title: 'signed metadata that are damaged, crafted or of a server that was broken into',
    inputs: 1_000_000,
    run: async (options) => (await import('../trust/fuzz/fuzz.ts')).fuzzMetadata(options),
  },
  {
    name: 'messages',
    title: 'damaged messages of the bus, both ways',
    inputs: 1_000_000,
    run: async (options) => (await import('../test/contract/fuzz.ts')).fuzzMessages(options),
  },
  {
    name: 'host-service',
    title: 'requests to the host service that are damaged, or well formed and wild',
    inputs: 1_000_000,
    run: async (options) => (await import('../agent/fuzz/host-service.ts')).fuzzHostService(options),
  },
  {
    name: 'audit-trail',
    title: 'audit trails with a line that is wrong, verified',
    inputs: 1_000_000,
    run: async (options) => (await import('../cli/fuzz/trail.ts')).fuzzTrail(options),
  },
  ...(
    [
      ['manifest', 'damaged manifests, read and planned'],
      ['chunk-list', 'damaged lists of chunks'],
      ['bundle-index', 'damaged indexes of bundles'],
      ['frames', 'frames that are wrong among those that are right, into spools'],
      ['decode', 'damaged and crafted objects, whole and in chunks, and bombs'],
    ] as const
  ).map(
    ([name, title]): FuzzTarget => ({
      name,
      title,
      inputs: 1_000_000,
      run: async (options) => (await import('../agent/fuzz/fuzz.ts')).fuzzTransfer(name, options),
    }),
  ),
];
