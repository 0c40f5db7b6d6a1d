import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Codec } from '@iotdh/proto/update/v1';
import { sampleBytes } from '../../../../delta/src/testing/sample-bytes.ts';
import { openContentStore } from '../content-store.ts';
import { temporaryFolder } from '../testing/bench.ts';
import { addDelta } from '../testing/forms.ts';
import { type Blobs, hex, sha256 } from '../testing/pack.ts';
import { decodeDelta } from './decode-delta.ts';
import { type OpenFile, openFile } from './files-reader.ts';

/** A delta decoded with its base opened by `open`. */
async function decoded(t: TestContext, open: (base: string, delta: string) => OpenFile) {
  const folder = temporaryFolder(t);
  const [base, path] = [join(folder, 'base'), join(folder, 'delta')];
  const old = sampleBytes(50_000, 1);
  const content = Buffer.concat([old.subarray(0, 20_000), Buffer.from('new'), old.subarray(20_000)]);
  const blobs: Blobs = new Map();
  const delta = await addDelta(blobs, [old], content);
  writeFileSync(base, old);
  writeFileSync(path, blobs.get(hex(delta.digest))!);
  return decodeDelta({
    ...{ path, codec: Codec.ZSTD, store: openContentStore(join(folder, 'contents')) },
    contents: [{ digest: hex(sha256(content)), size: content.length }],
    base: [{ digest: hex(sha256(old)), size: old.length }],
    find: async () => ({ path: base, size: old.length }),
    open: open(base, path),
    signal: new AbortController().signal,
  });
}

/** Opens what is not `locked` at the time of its opening, counted from 0. */
function unless(locked: string, time: number): OpenFile {
  let times = 0;
  return async (path) => {
    if (path === locked && times++ === time)
      throw Object.assign(new Error('EBUSY: resource busy or locked'), { code: 'EBUSY', errno: -16 });
    return openFile(path);
  };
}

test('a delta whose base somebody has locked is of no use, and so another form comes', async (t) => {
  assert.deepEqual(await decoded(t, () => openFile), { kind: 'decoded' });
  // When it is verified, and when it is used.
  for (const time of [0, 1]) {
    const outcome = await decoded(t, (base) => unless(base, time));
    assert.ok(outcome.kind === 'undecodable' && /base.*EBUSY/.test(outcome.detail), JSON.stringify(outcome));
  }
});

test('a delta that is locked itself is tried again later', async (t) => {
  await assert.rejects(
    decoded(t, (_base, delta) => unless(delta, 0)),
    /EBUSY/,
  );
});
