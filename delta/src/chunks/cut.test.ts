import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { type Chunking, chunksOf } from './cut.ts';

/** SHA-256 of the numbers 0, 1, 2 … as four bytes each, the highest first, one after the other: any language makes the same. */
function goldenBytes(length: number): Uint8Array {
  const bytes = Buffer.alloc(Math.ceil(length / 32) * 32);
  const number = Buffer.alloc(4);
  for (let index = 0; index * 32 < length; index += 1) {
    number.writeUInt32BE(index);
    createHash('sha256')
      .update(number)
      .digest()
      .copy(bytes, index * 32);
  }
  return bytes.subarray(0, length);
}

const usual: Chunking = { min: 16_384, average: 65_536, max: 262_144 };

async function lengths(bytes: Uint8Array, chunking: Chunking): Promise<number[]> {
  const found: number[] = [];
  const source = {
    size: bytes.length,
    async read(into: Uint8Array, position: number) {
      into.set(bytes.subarray(position, position + into.length));
    },
  };
  let end = 0;
  for await (const chunk of chunksOf(source, chunking)) {
    assert.equal(chunk.position, end);
    assert.ok(Buffer.from(chunk.bytes).equals(bytes.subarray(end, end + chunk.bytes.length)));
    end += chunk.bytes.length;
    found.push(chunk.bytes.length);
  }
  assert.equal(end, bytes.length);
  return found;
}

test('bytes are cut where an implementation in another language cuts them', async () => {
  // Made by a Python program that was written after the comment of iotdh.update.v1.Chunking alone.
  assert.deepEqual(
    await lengths(goldenBytes(600_000), usual),
    [78_244, 106_613, 81_630, 69_500, 80_845, 86_790, 77_767, 18_611],
  );
  assert.deepEqual(
    await lengths(goldenBytes(30_000), { min: 1024, average: 4096, max: 16_384 }),
    [5644, 5225, 5036, 4263, 6198, 3634],
  );
  assert.deepEqual(await lengths(new Uint8Array(300_000), usual), [262_144, 37_856]);
  assert.deepEqual(await lengths(new Uint8Array(0), usual), []);
});

test('an insertion changes the chunks around it and no others', async () => {
  const before = goldenBytes(3_000_000);
  const after = Buffer.concat([
    before.subarray(0, 1_000_000),
    Buffer.from('new'),
    before.subarray(1_000_000),
  ]);
  const [old, cut] = [await lengths(before, usual), await lengths(after, usual)];
  const differ = cut.filter((length, index) => length !== old[index]);
  assert.equal(cut.length, old.length);
  assert.equal(differ.length, 1);
});
