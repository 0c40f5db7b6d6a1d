import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { applyDelta, bytesReader } from '@iotdh/delta';
import type { Manifest, Object$ as ManifestObject } from '@iotdh/proto/update/v1';
import { createRandom } from '../../../agent/src/transfer/testing/pack.ts';
import type { BuiltPack } from './build-pack.ts';
import { InvalidInput } from './problem.ts';
import { build, patchYaml, type Tree, temporaryFolder, writeTree } from './testing/description.ts';

/** Text that compresses by about a third and repeats nothing for long. */
function program(length: number, seed: number): Buffer {
  const random = createRandom(seed);
  return Buffer.from(Uint8Array.from({ length }, () => 32 + Math.floor(random() * 64)));
}

/** The same with a word changed here and there. */
function patched(program: Buffer): Buffer {
  const copy = Buffer.from(program);
  for (let at = 1_000; at < copy.length; at += 20_000) copy.write('changed', at);
  return Buffer.concat([copy.subarray(0, 5_000), Buffer.from('inserted'), copy.subarray(5_000)]);
}

const baseYaml = (version: string, from?: string): string => `
name: carto-base
version: ${version}
title: Carto ${version}, whole
kind: base
${from === undefined ? '' : `delta_from: [${from}]`}
base:
  partitions: [{name: system, role: boot, image: system.img}]
  boot_time_limit: 5m
`;

const hex = (digest: Uint8Array): string => Buffer.from(digest).toString('hex');
const deltasOf = ({ objects }: Manifest): ManifestObject[] =>
  objects.filter(({ encoding }) => encoding.case === 'delta');

const old: Tree = {
  'bin/carto': program(1_500_000, 1),
  'bin/helper': program(40_000, 2),
  'lib/one.js': program(30_000, 3),
  'lib/two.js': program(30_000, 4),
  'etc/site.conf': 'a = 1\n',
};
const files = old as Record<string, Buffer>;
const next: Tree = {
  // At its place; moved and renamed; two that were packed into one; unchanged; and nothing that any base has.
  'bin/carto': patched(files['bin/carto']!),
  'libexec/assistant': patched(files['bin/helper']!),
  'lib/bundle.js': Buffer.concat([files['lib/one.js']!, files['lib/two.js']!]),
  'etc/site.conf': 'a = 1\n',
  'share/new': program(50_000, 5),
};

/** Applies each delta to the contents of the base, and answers with the contents that came out, by their digests. */
async function applied(built: BuiltPack, base: readonly (Buffer | string)[]): Promise<Set<string>> {
  const { createHash } = await import('node:crypto');
  const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
  const known = new Map(base.map((content) => [digestOf(Buffer.from(content)), Buffer.from(content)]));
  const yielded = new Set<string>();
  for (const { digest, contents, encoding } of deltasOf(built.manifest)) {
    assert.equal(encoding.case, 'delta');
    const bases = encoding.value.base.map((content) => known.get(hex(content.digest)));
    assert.ok(
      bases.every((bytes) => bytes !== undefined),
      'a base is a content of the base',
    );
    const pieces: Buffer[] = [];
    const options = {
      base: bytesReader(Buffer.concat(bases)),
      delta: bytesReader(await readFile(join(built.folder, 'objects', hex(digest)))),
      expected: {
        outputSize: contents.reduce((sum, { size }) => sum + Number(size), 0),
        codec: 'zstd' as const,
      },
    };
    for await (const piece of applyDelta(options)) pieces.push(Buffer.from(piece));
    let rest = Buffer.concat(pieces);
    for (const content of contents) {
      assert.equal(digestOf(rest.subarray(0, Number(content.size))), hex(content.digest));
      yielded.add(hex(content.digest));
      rest = rest.subarray(Number(content.size));
    }
  }
  return yielded;
}

test('files that changed, moved, or were packed together travel as a delta of an earlier pack', async (t) => {
  const folder = temporaryFolder(t);
  await writeTree(join(folder, 'tree'), old);
  const first = await build(folder, patchYaml, { folder: join(folder, 'first') });
  await writeTree(join(folder, 'next'), next);
  const yaml = patchYaml.replaceAll('8.10', '8.11').replace('from: tree', 'from: next');
  const second = await build(folder, `${yaml}delta_from: [first]\n`);

  const deltas = deltasOf(second.manifest);
  assert.deepEqual(
    deltas.map(({ contents }) => contents.length),
    [1, 2],
    'the large file has its own delta, the small ones share one, and what is new or unchanged is in none',
  );
  const bytes = deltas.reduce((sum, { size }) => sum + Number(size), 0);
  assert.ok(bytes < 5_000, `${bytes} bytes`);
  assert.equal((await applied(second, Object.values(old) as Buffer[])).size, 3);
  const others = second.manifest.objects.filter(({ encoding }) => encoding.case !== 'delta');
  const whole = new Set(others.flatMap(({ contents }) => contents.map(({ digest }) => hex(digest))));
  assert.equal(whole.size, 5, 'every content is there without a base, too');
  assert.equal(second.deltaBytes, bytes);
  assert.ok(first.deltaBytes === 0);

  const again = await build(folder, `${yaml}delta_from: [first]\n`, { folder: join(folder, 'again') });
  assert.equal(again.digest, second.digest, 'the same input makes the same deltas');
});

test('a base may be a folder as it is installed, or an image', async (t) => {
  const folder = temporaryFolder(t);
  await writeTree(join(folder, 'installed'), old);
  await writeTree(join(folder, 'tree'), next);
  const patch = await build(folder, `${patchYaml}delta_from: [installed]\n`);
  assert.equal((await applied(patch, Object.values(old) as Buffer[])).size, 3);

  const image = program(2_000_000, 9);
  await writeFile(join(folder, 'old.img'), image);
  await writeFile(join(folder, 'system.img'), patched(image));
  const base = await build(folder, baseYaml('8.2', 'old.img'), { folder: join(folder, 'base') });
  assert.equal((await applied(base, [image])).size, 1);
});

test('the image of a base travels as a delta of the same partition’s in an earlier pack, whole or in chunks there', async (t) => {
  const folder = temporaryFolder(t);
  const [small, large] = [program(2_000_000, 9), program(4_500_000, 10)];
  for (const image of [small, large]) {
    await writeFile(join(folder, 'system.img'), image);
    await build(folder, baseYaml('8.2'), { folder: join(folder, 'first'), replace: true });
    await writeFile(join(folder, 'system.img'), patched(image));
    const second = await build(folder, baseYaml('8.3', 'first'), {
      folder: join(folder, 'second'),
      replace: true,
    });
    assert.equal((await applied(second, [image])).size, 1);
    assert.ok(second.deltaBytes < image.length / 100, `${second.deltaBytes} bytes`);
  }
});

test('a delta that saves nothing is not added', async (t) => {
  const folder = temporaryFolder(t);
  await writeTree(join(folder, 'installed'), { 'bin/carto': program(1_500_000, 6), same: 'as it was\n' });
  await writeTree(join(folder, 'tree'), { 'bin/carto': program(1_500_000, 7), same: 'as it was\n' });
  const built = await build(folder, `${patchYaml}delta_from: [installed]\n`);
  assert.deepEqual(deltasOf(built.manifest), []);
});

test('a base that is not there, or is damaged, is a mistake of the author', async (t) => {
  const folder = temporaryFolder(t);
  await writeTree(join(folder, 'tree'), { a: 'a' });
  await assert.rejects(build(folder, `${patchYaml}delta_from: [nowhere]\n`), (error) => {
    assert.ok(error instanceof InvalidInput);
    assert.match(error.message, /delta_from: .*nowhere does not exist/);
    return true;
  });
  const first = await build(folder, patchYaml, { folder: join(folder, 'first') });
  const [object] = first.manifest.objects;
  await writeFile(join(folder, 'first', 'objects', hex(object!.digest)), 'X');
  const rebuilt = build(folder, `${patchYaml}delta_from: [first]\n`, { replace: true });
  await assert.rejects(rebuilt, /is damaged/);
});
