import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';

const fuzz = (...args: string[]) =>
  spawnSync(process.execPath, [join(import.meta.dirname, 'fuzz.ts'), ...args], { encoding: 'utf8' });

test('a target is fuzzed by its name, and one that is not there is named', () => {
  const { status, stdout } = fuzz('delta', '--inputs', '50', '--seed', '3');
  assert.equal(status, 0);
  assert.equal(JSON.parse(stdout).target, 'delta');
  const unknown = fuzz('everything');
  assert.equal(unknown.status, 2);
  assert.match(unknown.stderr, /^there is no target "everything", only local-hub, delta,.*\n$/);
});
