import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { builtAtMs } from './built-at.ts';

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');

test('the floor of the time moves forward with each release', () => {
  const { version } = JSON.parse(read('../../package.json')) as { version: string };
  const headings = [...read('../../../CHANGELOG.md').matchAll(/^## \[?(\S+?)\]? - (\d{4}-\d{2}-\d{2})$/gm)];
  const releases = headings.map(([, name = '', date = '']) => ({ name, ms: Date.parse(date) }));
  // Before the first release there is none to follow; from then on the newest one has its heading.
  assert.ok(version === '0.0.0' || releases[0]?.name === version, `${version} has no dated heading`);
  for (const { name, ms } of releases) assert.ok(builtAtMs >= ms, `${name} is newer than builtAtMs`);
});
