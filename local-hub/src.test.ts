/** Every test of the sources in one process: as processes of their own they spend more time on loading than on testing. */
import { glob } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

async function load(): Promise<void> {
  const here = import.meta.dirname;
  for await (const file of glob('src/**/*.test.ts', { cwd: here })) await import(join(here, file));
}

const loaded = load();
// The others come after it: this process would end when all tests that it knows of have.
test('every file of tests loads', () => loaded);
