import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { mostStoredBytes } from '@iotdh/proto/objects';
import { ChunkedSchema, type ChunkList, ChunkListSchema, ObjectSchema } from '@iotdh/proto/update/v1';
import { sha256 } from '../testing/pack.ts';
import { readChunkList } from './chunk-list.ts';

/** Reads the list of chunks of 1,000 bytes each, in these groups. */
function read(groups: readonly { chunks: number; storedBytes: number }[], changes: Partial<ChunkList> = {}) {
  const count = groups.reduce((sum, { chunks }) => sum + chunks, 0);
  const list = create(ChunkListSchema, {
    digests: Buffer.concat(Array.from({ length: count }, (_, chunk) => sha256(Buffer.of(chunk)))),
    sizes: Array.from({ length: count }, () => 1_000),
    groupChunks: groups.map(({ chunks }) => chunks),
    groupSizes: groups.map(({ storedBytes }) => storedBytes),
  });
  const object = create(ObjectSchema, {
    size: BigInt(groups.reduce((sum, { storedBytes }) => sum + storedBytes, 0)),
    contents: [{ size: BigInt(count * 1_000) }],
  });
  const chunking = { minSize: 1_024, averageSize: 4_096, maxSize: 16_384 };
  return readChunkList(
    toBinary(ChunkListSchema, Object.assign(list, changes)),
    object,
    create(ChunkedSchema, { chunking }),
  );
}

test('a list says where each group is stored and what it has', () => {
  const answer = read([
    { chunks: 2, storedBytes: 700 },
    { chunks: 1, storedBytes: 900 },
  ]);
  assert.ok(answer.kind === 'read');
  assert.deepEqual(answer.list.longestGroup, { contentBytes: 2_000, storedBytes: 900 });
  assert.deepEqual(answer.list.group(1), {
    ...{ first: 2, end: 3, offset: 700, storedBytes: 900, contentBytes: 1_000 },
  });
});

test('a group may be stored in a little more than its contents, and a list in which one takes gigabytes is refused', () => {
  assert.equal(read([{ chunks: 1, storedBytes: mostStoredBytes(1_000) }]).kind, 'read');
  for (const storedBytes of [mostStoredBytes(1_000) + 1, 4_000_000_000]) {
    const answer = read([{ chunks: 1, storedBytes }]);
    assert.deepEqual(answer, { kind: 'bad', detail: 'a group is stored in more than it can take' });
  }
});

test('a list whose parts do not add up is refused', () => {
  const groups = [{ chunks: 2, storedBytes: 700 }];
  const wrong: Partial<ChunkList>[] = [
    { sizes: [1_000, 1_001] },
    { sizes: [0, 2_000] },
    { sizes: [2_000] },
    { groupChunks: [3] },
    { groupChunks: [0] },
    { groupSizes: [701] },
    { groupChunks: [1, 1] },
  ];
  for (const changes of wrong) assert.equal(read(groups, changes).kind, 'bad', JSON.stringify(changes));
});
