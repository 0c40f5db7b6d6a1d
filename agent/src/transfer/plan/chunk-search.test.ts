import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { bytesReader } from '@iotdh/delta';
import { chunksOf } from '@iotdh/delta/chunks';
import { sampleBytes } from '../../../../delta/src/testing/sample-bytes.ts';
import type { ChunkList } from '../decode/chunk-list.ts';
import { createFilesReader, type OpenFile, openFile } from '../decode/files-reader.ts';
import { temporaryFolder } from '../testing/bench.ts';
import { smallChunks } from '../testing/forms.ts';
import { sha256 } from '../testing/pack.ts';
import { createChunkSearch } from './chunk-search.ts';
import type { LocalFile } from './local-files.ts';

const { signal } = new AbortController();

/** Files of 1.5 MB each, unless it is said, and a reader that counts what is read of them. `onRead` and `open` may spoil it. */
function createRig(
  t: TestContext,
  count: number,
  { size = 1_500_000, onRead = () => {}, open }: { size?: number; onRead?: () => void; open?: OpenFile } = {},
) {
  const folder = temporaryFolder(t);
  const files = Array.from({ length: count }, (_, index): LocalFile & { content: Buffer } => {
    const [path, content] = [join(folder, `file-${index}`), sampleBytes(size, 100 + index)];
    writeFileSync(path, content);
    return { path, size: content.length, content };
  });
  const read = { bytes: 0 };
  const createReader = () => {
    const reader = createFilesReader(open);
    return {
      ...reader,
      async read(path: string, into: Uint8Array, position: number) {
        onRead();
        read.bytes += into.length;
        await reader.read(path, into, position);
      },
    };
  };
  async function* given() {
    yield* files;
  }
  return { files, read, createReader, given };
}

/** The list of a content's chunks, each a group of its own. */
async function listOf(content: Buffer): Promise<ChunkList> {
  const chunks: { digest: Buffer; size: number }[] = [];
  for await (const { bytes } of chunksOf(bytesReader(content), smallChunks))
    chunks.push({ digest: sha256(bytes), size: bytes.length });
  return {
    ...{ chunkCount: chunks.length, groupCount: chunks.length },
    longestGroup: { contentBytes: smallChunks.max, storedBytes: smallChunks.max },
    sizeOf: (chunk) => chunks[chunk]!.size,
    digestOf: (chunk) => chunks[chunk]!.digest,
    group: (index) => ({
      ...{ first: index, end: index + 1, offset: index, storedBytes: 1, contentBytes: chunks[index]!.size },
    }),
  };
}

const layoutOf = ({ chunkCount }: ChunkList) => ({ size: chunkCount, frameSize: 1, segmentSize: 1 });

test('for several objects each file is read once, and each object finds its chunks', async (t) => {
  const { files, read, createReader, given } = createRig(t, 3);
  // What is new at the end of each is nowhere, so that the search has to go to the end.
  const lists = await Promise.all(
    files.map(({ content }, index) => listOf(Buffer.concat([content, sampleBytes(50_000, 200 + index)]))),
  );
  const search = createChunkSearch({ createReader });
  for (const list of lists) search.lookFor(list, smallChunks);
  await search.look(given(), signal);
  assert.equal(read.bytes, 4_500_000);
  for (const list of lists) {
    const { count, size } = search.of(list, smallChunks).wanted(layoutOf(list));
    assert.ok(count > 3 && count < size / 10, `${count} of ${size} are lacking`);
  }
  // All that there is was read for these.
  await search.look(given(), signal);
  assert.equal(read.bytes, 4_500_000);
});

test('a search that is interrupted in the middle of a file goes on there', async (t) => {
  const abort = new AbortController();
  let reads = 0;
  const { files, read, createReader, given } = createRig(t, 3, {
    onRead() {
      reads += 1;
      if (reads === 4) abort.abort(new Error('the machine is busy'));
    },
  });
  const list = await listOf(
    Buffer.concat([...files.map(({ content }) => content), sampleBytes(50_000, 200)]),
  );
  const search = createChunkSearch({ createReader });
  search.lookFor(list, smallChunks);
  await assert.rejects(search.look(given(), abort.signal), /the machine is busy/);
  const before = read.bytes;
  assert.ok(before > 1_500_000 && before < 4_000_000);
  search.lookFor(list, smallChunks);
  await search.look(given(), signal);
  // What was in the buffer and not cut yet is read again.
  assert.ok(read.bytes < 4_500_000 + 20_000, `${read.bytes} bytes were read`);
  const { count, size } = search.of(list, smallChunks).wanted(layoutOf(list));
  assert.ok(count < size / 20, `${count} of ${size} are lacking`);
});

test('it ends when everything is found, when enough was read, and looks for no more chunks than it may', async (t) => {
  const { files, read, createReader, given } = createRig(t, 3);
  const first = await listOf(files[0]!.content);
  const found = createChunkSearch({ createReader });
  found.lookFor(first, smallChunks);
  await found.look(given(), signal);
  assert.equal(read.bytes, 1_500_000);
  assert.equal(found.of(first, smallChunks).wanted(layoutOf(first)).count, 0);

  read.bytes = 0;
  const all = await listOf(Buffer.concat(files.map(({ content }) => content)));
  const short = createChunkSearch({ createReader, maxBytes: 2_000_000 });
  short.lookFor(all, smallChunks);
  await short.look(given(), signal);
  await short.look(given(), signal);
  assert.equal(read.bytes, 2_000_000);
  const { count, size } = short.of(all, smallChunks).wanted(layoutOf(all));
  assert.ok(count > size / 2 && count < (size * 2) / 3, `${count} of ${size} are lacking`);

  read.bytes = 0;
  const small = createChunkSearch({ createReader, maxChunks: first.chunkCount });
  small.lookFor(first, smallChunks);
  small.lookFor(all, smallChunks);
  await small.look(given(), signal);
  assert.equal(read.bytes, 1_500_000);
  assert.equal(small.of(first, smallChunks).wanted(layoutOf(first)).count, 0);
});

/** As Node.js says it. */
const refusal = (code: string) =>
  Object.assign(new Error(`${code}: open`), { code, errno: -1, syscall: 'open' });

test('a file that somebody has locked, or that cannot be read for another reason of its own, is passed over', async (t) => {
  for (const code of ['EBUSY', 'ETXTBSY', 'ESTALE', 'UNKNOWN', 'ELOOP']) {
    const { files, createReader, given } = createRig(t, 2, {
      size: 50_000,
      async open(path) {
        if (path === files[0]?.path) throw refusal(code);
        return openFile(path);
      },
    });
    const list = await listOf(files[1]!.content);
    const search = createChunkSearch({ createReader });
    search.lookFor(list, smallChunks);
    await search.look(given(), signal);
    assert.equal(search.of(list, smallChunks).wanted(layoutOf(list)).count, 0, code);
  }
});

test('a search ends when the machine is short of what every file needs', async (t) => {
  const { files, createReader, given } = createRig(t, 1, {
    size: 50_000,
    open: () => Promise.reject(refusal('EMFILE')),
  });
  const search = createChunkSearch({ createReader });
  search.lookFor(await listOf(files[0]!.content), smallChunks);
  await assert.rejects(search.look(given(), signal), /EMFILE/);
});
