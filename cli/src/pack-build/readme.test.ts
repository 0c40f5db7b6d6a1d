/** The examples of the README are built as they stand there. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { build, temporaryFolder, writeTree } from './testing/description.ts';

test('the descriptions in the README make a PATCH and a BASE', async (t) => {
  const readme = await readFile(join(import.meta.dirname, '../../README.md'), 'utf8');
  const examples = [...readme.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, yaml]) => yaml ?? '');
  assert.equal(examples.length, 2);
  const folder = temporaryFolder(t);
  await writeTree(folder, {
    '+build/carto/bin/carto': 'x',
    'build/carto-8.2.0/bin/carto': 'w',
    'build/viewer/viewer': 'x',
    'self-test.sh': 'exit 0\n',
    'system.img': 'system',
    'system-8.0.img': 'earlier',
    'data.img': 'data',
  });
  const kinds = [];
  for (const [index, yaml] of examples.entries()) {
    kinds.push((await build(folder, yaml, { folder: join(folder, `out-${index}`) })).manifest.content.case);
  }
  assert.deepEqual(kinds, ['patch', 'base']);
});
