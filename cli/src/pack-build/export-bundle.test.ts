import assert from 'node:assert/strict';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { exportBundle } from './export-bundle.ts';
import { openPack } from './pack-folder.ts';
import { build, patchYaml, temporaryFolder, writeTree } from './testing/description.ts';

test('an export repairs what is damaged of the objects that are there, and writes no other again', async (t) => {
  const folder = temporaryFolder(t);
  await writeTree(folder, { 'tree/one': 'one '.repeat(2_000), 'tree/other': 'other '.repeat(2_000) });
  const { folder: built } = await build(folder, patchYaml, { limits: { largeBytes: 1_000 } });
  const packs = [await openPack(built)];
  const stick = join(folder, 'stick');
  const { signal } = t;
  const exported = () =>
    exportBundle({ packs, metadata: [], folder: stick, createTime: new Date(0), signal });
  await exported();
  const objects = join(stick, 'objects');
  const names = await readdir(objects);
  const [damaged = assert.fail(), sound = assert.fail()] = names;
  const right = await readFile(join(objects, damaged));
  const wrong = Buffer.from(right);
  wrong[wrong.length - 1]! ^= 1;
  await writeFile(join(objects, damaged), wrong);
  const { ino } = await stat(join(objects, sound));
  await exported();
  assert.deepEqual(await readFile(join(objects, damaged)), right);
  assert.equal((await stat(join(objects, sound))).ino, ino);
  assert.deepEqual(await readdir(objects), names);
});
