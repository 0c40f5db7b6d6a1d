/** Tests of many files in one process: as processes of their own they spend more time on loading than on testing. */
import { glob } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { test } from 'node:test';
import { root } from './run.ts';

/**
 * The files that load others, and which, as patterns from the root. `apart` is what keeps a process of its own: it takes long, as what kills
 * other processes does, and goes on beside the rest.
 */
const groups: Readonly<Record<string, { of: string[]; apart: string[] }>> = {
  'agent/src.test.ts': {
    of: ['agent/src/**/*.test.ts'],
    apart: ['agent/src/**/{chaos,killed,agent-faults,agent-in-container,host-service}.test.ts'],
  },
  'backend/src.test.ts': {
    of: ['backend/{services,shared}/**/*.test.ts'],
    apart: ['backend/services/**/{faults,quota}.test.ts'],
  },
  'cli/src.test.ts': {
    of: ['cli/src/**/*.test.ts'],
    apart: ['cli/src/dev/*.test.ts', 'cli/src/main.test.ts'],
  },
  'local-hub/src.test.ts': { of: ['local-hub/src/**/*.test.ts'], apart: [] },
  'test/libraries.test.ts': {
    of: ['{delta,sdk-ts,trust}/{src,fuzz}/**/*.test.ts', 'gen/ts/*.test.ts', 'test/contract/*.test.ts'],
    apart: ['sdk-ts/src/{crash,package}.test.ts', 'test/contract/replay.test.ts'],
  },
};

async function filesOf(group: string): Promise<string[]> {
  const { of, apart } = groups[group] ?? { of: [], apart: [] };
  const files: string[] = [];
  for await (const file of glob(of, { cwd: root, exclude: ['**/node_modules', ...apart] })) files.push(file);
  return files.map((file) => join(root, file)).toSorted((one, other) => one.localeCompare(other));
}

/** Every file that another one loads. */
export async function filesTogether(): Promise<Set<string>> {
  return new Set((await Promise.all(Object.keys(groups).map(filesOf))).flat());
}

/** Loads the tests of the group that this file is named for into this process, which fails unless all of them have had their turn. */
export function loadTogether(path: string): void {
  const group = relative(root, path).split(sep).join('/');
  let isOver = false;
  process.once('exit', () => {
    // A test that ends the process ends the others with it, and nobody would miss them.
    if (!isOver) process.exitCode = 1;
  });
  async function load(): Promise<void> {
    const files = await filesOf(group);
    if (files.length === 0) throw new Error(`${group} names no tests`);
    for (const file of files) await import(file);
    test('every test of them has had its turn', () => {
      isOver = true;
    });
  }
  const loaded = load();
  // The others come after it: this process would end when all tests that it knows of have.
  test('every file of tests loads', () => loaded);
}
