/** Chunked objects whose chunks were here when they were looked for, and are not when they are used. */
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { sampleBytes } from '../../../../delta/src/testing/sample-bytes.ts';
import { openContentStore } from '../content-store.ts';
import { createChunkSearch } from '../plan/chunk-search.ts';
import { temporaryFolder } from '../testing/bench.ts';
import { addChunked, smallChunks } from '../testing/forms.ts';
import { type Blobs, hex, sha256 } from '../testing/pack.ts';
import { readChunkList } from './chunk-list.ts';
import { decodeChunked } from './decode-chunked.ts';

const content = sampleBytes(400_000, 3);
const { signal } = new AbortController();

/** A content that is all in a file of this machine, decoded with `interfere` before; the bytes that were written, and how often more was carried. */
async function decoded(
  t: TestContext,
  interfere: (path: string) => void,
  carryLacking: (spool: string, stored: Buffer) => boolean = (spool, stored) => {
    writeFileSync(spool, stored);
    return true;
  },
) {
  const folder = temporaryFolder(t);
  const [local, spool] = [join(folder, 'local'), join(folder, 'spool')];
  const blobs: Blobs = new Map();
  const object = await addChunked(blobs, content);
  assert.ok(object.encoding.case === 'chunked');
  const { chunkListDigest, codec } = object.encoding.value;
  const stored = blobs.get(hex(object.digest))!;
  const read = readChunkList(blobs.get(hex(chunkListDigest))!, object, object.encoding.value);
  assert.ok(read.kind === 'read');
  writeFileSync(local, content);
  writeFileSync(spool, Buffer.alloc(stored.length));
  async function* files() {
    yield { path: local, size: content.length };
  }
  const { list } = read;
  const search = createChunkSearch();
  search.lookFor(list, smallChunks);
  await search.look(files(), signal);
  const found = search.of(list, smallChunks);
  interfere(local);
  const store = openContentStore(join(folder, 'contents'));
  const counted = { written: 0, rounds: 0 };
  const outcome = await decodeChunked({
    ...{ path: spool, codec, list, local: found, signal },
    contents: [{ digest: hex(sha256(content)), size: content.length }],
    store: {
      ...store,
      async write(digest) {
        const writer = await store.write(digest);
        return {
          ...writer,
          add(bytes) {
            counted.written += bytes.length;
            return writer.add(bytes);
          },
        };
      },
    },
    async carryLacking() {
      counted.rounds += 1;
      return carryLacking(spool, stored);
    },
  });
  return {
    ...counted,
    outcome,
    lacking: found.wanted({ size: stored.length, frameSize: 4096, segmentSize: 4096 }),
  };
}

test('when the only file that had the chunks is gone, one more carry brings them all, and each byte is written once', async (t) => {
  const { outcome, written, rounds, lacking } = await decoded(t, (path) => rmSync(path));
  assert.deepEqual(outcome, { kind: 'decoded' });
  assert.equal(rounds, 1);
  assert.equal(written, content.length);
  assert.equal(lacking.count, lacking.size);
});

test('of a file that was changed in several places one more carry brings the groups of those places alone', async (t) => {
  const { outcome, written, rounds, lacking } = await decoded(t, (path) => {
    const changed = Buffer.from(content);
    for (const place of [50_000, 200_000, 390_000]) changed[place] = 1 ^ changed[place]!;
    writeFileSync(path, changed);
  });
  assert.deepEqual(outcome, { kind: 'decoded' });
  assert.equal(rounds, 1);
  assert.equal(written, content.length);
  assert.ok(lacking.count > 2 && lacking.count < lacking.size / 3, `${lacking.count} of ${lacking.size}`);
});

test('when what is lacking cannot be carried now, decoding ends and leaves nothing behind', async (t) => {
  const { outcome, rounds } = await decoded(
    t,
    (path) => rmSync(path),
    () => false,
  );
  assert.deepEqual(outcome, { kind: 'lacking' });
  assert.equal(rounds, 1);
});
