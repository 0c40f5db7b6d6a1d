import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { temporaryFolder } from '../testing/bench.ts';
import { writeBundle } from '../testing/bundle.ts';
import { hex, samplePack } from '../testing/pack.ts';
import { readBundle } from './read-bundle.ts';

const pack = samplePack();
const manifest = hex(pack.manifest.digest);
const object = [...pack.blobs.keys()].find((name) => name !== manifest) ?? '';

test('a bundle that is whole is read', async (t) => {
  const folder = temporaryFolder(t);
  writeBundle(folder, pack);
  const read = await readBundle(folder);
  assert.ok(read.kind === 'read', inspect(read));
  assert.deepEqual(
    read.updates.map(({ ref, title }) => [hex(ref.digest), title]),
    [[manifest, 'Carto 8.1']],
  );
});

type Spoil = (folder: string) => void;

const inObjects = (folder: string) => join(folder, 'objects', object);
const index = (folder: string) => join(folder, 'bundle.json');
const replaceIn = (path: string, from: string | RegExp, to: string) =>
  writeFileSync(path, readFileSync(path, 'utf8').replace(from, to));

const spoiled: Readonly<Record<string, readonly [RegExp, Spoil]>> = {
  'that does not exist': [/does not exist/, (folder) => rmSync(folder, { recursive: true })],
  'without its index': [/is no bundle: bundle.json is missing/, (folder) => rmSync(index(folder))],
  'whose index is no JSON': [/no index of a bundle/, (folder) => writeFileSync(index(folder), '{"packs":')],
  'whose index is too long': [/too long/, (folder) => writeFileSync(index(folder), ' '.repeat(70_000))],
  'of a later format': [
    /breaks the contract/,
    (folder) => replaceIn(index(folder), /"formatVersion": +1/, '"formatVersion":2'),
  ],
  'whose index says another version': [
    /is not the pack that bundle.json says/,
    (folder) => replaceIn(index(folder), '8.1', '9.9'),
  ],
  'with an object that is missing': [
    /objects\/[0-9a-f]+ is missing; copy/,
    (folder) => rmSync(inObjects(folder)),
  ],
  'with an object that is cut short': [
    /is cut short: 100 bytes of/,
    (folder) => truncateSync(inObjects(folder), 100),
  ],
  'with an object that is too long': [
    /is too long/,
    (folder) => writeFileSync(inObjects(folder), Buffer.alloc(1), { flag: 'a' }),
  ],
  'with a link for an object': [
    /is a link, and links are not followed/,
    (folder) => {
      renameSync(inObjects(folder), join(folder, 'elsewhere'));
      symlinkSync(join(folder, 'elsewhere'), inObjects(folder));
    },
  ],
  'with a pipe for an object': [
    /is no plain file/,
    (folder) => {
      rmSync(inObjects(folder));
      execFileSync('mkfifo', [inObjects(folder)]);
    },
  ],
  'with a folder for an object': [
    /is no plain file|cannot be read/,
    (folder) => {
      rmSync(inObjects(folder));
      writeFileSync(join(folder, 'x'), '');
      execFileSync('mkdir', [inObjects(folder)]);
    },
  ],
  'whose objects are a link to elsewhere': [
    /objects is no folder of the bundle/,
    (folder) => {
      renameSync(join(folder, 'objects'), join(folder, 'elsewhere'));
      symlinkSync('elsewhere', join(folder, 'objects'));
    },
  ],
  'with a manifest that was changed': [
    /is not the one of digest/,
    (folder) => {
      const path = join(folder, 'manifests', manifest);
      const bytes = readFileSync(path);
      bytes[30]! ^= 1;
      writeFileSync(path, bytes);
    },
  ],
};

for (const [what, [reason, spoil]] of Object.entries(spoiled)) {
  test(`a bundle ${what} is refused with its reason`, async (t) => {
    const folder = join(temporaryFolder(t), 'bundle');
    writeBundle(folder, pack);
    spoil(folder);
    const read = await readBundle(folder);
    assert.ok(read.kind === 'bad', inspect(read));
    assert.match(read.reason, reason);
  });
}
