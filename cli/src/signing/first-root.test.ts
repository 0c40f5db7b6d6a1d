/** The keys of a fleet and its first root, made once, however often the command is cut short. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { settingsOf } from '@iotdh/trust/author';
import { parsedRoot } from './fleet-metadata.ts';
import { createAuthor, type Served, serve } from './testing/fleet.ts';

test('a root that did not reach the fleet is handed in by the same command, once, with the keys that there are', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-first-root-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const author = await createAuthor(join(folder, 'others'));
  const served: Served = { roots: [], targets: new Uint8Array(), isFull: true };
  const iotdh = await serve(t, author, served);
  const keys = join(folder, 'keys');
  const twoOfTwo = ['--targets-keys', '2', '--targets-threshold', '2'];
  const init = (...numbers: string[]) =>
    iotdh('keys', 'init', keys, ...numbers, '--type', 'ed25519', '--no-encrypt');
  const files = () => readdirSync(keys).map((name) => readFileSync(join(keys, name), 'utf8'));

  const unmet = await init('--targets-threshold', '2');
  assert.deepEqual([unmet.code, /threshold of 2 cannot be met by 1 keys/.test(unmet.notes)], [2, true]);
  const cut = await init(...twoOfTwo);
  assert.equal(cut.code, 1, cut.notes);
  const made = files();
  served.isFull = false;
  const other = await init();
  assert.deepEqual(
    [other.code, /2 of 2 keys of the targets must sign/.test(other.notes)],
    [2, true],
    other.notes,
  );
  for (const time of ['handed in', 'there already']) {
    const again = await init(...twoOfTwo);
    assert.deepEqual(
      [again.code, again.out],
      [0, `${join(keys, '1.root.json')}\n`],
      `${time}: ${again.notes}`,
    );
  }
  assert.deepEqual(files(), made, 'no key and no root was made anew');
  assert.deepEqual(served.roots, [new Uint8Array(readFileSync(join(keys, '1.root.json')))]);

  const { targets, root } = settingsOf(parsedRoot(served.roots[0]!).signed);
  const shown = await iotdh('keys', 'show', keys, '-o', 'name');
  const ids = [...root.keys, ...targets.keys].map(({ keyID }) => keyID);
  assert.deepEqual(new Set(shown.out.trim().split('\n')), new Set(ids));
  const one = await iotdh('keys', 'show', join(keys, 'root-1.pem'), '-o', 'table');
  assert.match(one.out, new RegExp(`^SCHEME.*\n.*${root.keys[0]!.keyID}.*root-1\\.pem\n$`));

  rmSync(join(keys, '1.root.json'));
  assert.match((await init(...twoOfTwo)).notes, /this fleet has root 1 already/);
});
