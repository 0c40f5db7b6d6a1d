import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { mostStoredBytes } from '@iotdh/proto/objects';
import { ChunkListSchema, Codec } from '@iotdh/proto/update/v1';
import { writeChunked } from './write-chunked.ts';

test('a group that nothing compresses is stored in no more bytes than the contract allows it', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-chunked-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'half');
  const content = Buffer.concat([randomBytes(2_000_000), Buffer.alloc(2_000_000, 'text ')]);
  writeFileSync(path, content);
  const digest = createHash('sha256').update(content).digest('hex');
  const { encoding } = await writeChunked(
    { source: { kind: 'file', path }, digest, bytes: content.length },
    { min: 16_384, average: 65_536, max: 262_144 },
    { folder, level: 1, signal: new AbortController().signal, onBytes() {} },
  );
  assert.ok(encoding.case === 'chunked' && encoding.value.codec === Codec.ZSTD);
  const list = readFileSync(join(folder, Buffer.from(encoding.value.chunkListDigest).toString('hex')));
  const { sizes, groupChunks, groupSizes } = fromBinary(ChunkListSchema, list);
  let first = 0;
  let longer = 0;
  for (const [group, chunks] of groupChunks.entries()) {
    const bytes = sizes.slice(first, first + chunks).reduce((sum, size) => sum + size, 0);
    first += chunks;
    if (groupSizes[group]! > bytes) longer += 1;
    assert.ok(groupSizes[group]! <= mostStoredBytes(bytes), `${groupSizes[group]} for ${bytes}`);
  }
  assert.ok(longer > 5, `${longer} groups became longer`);
});
