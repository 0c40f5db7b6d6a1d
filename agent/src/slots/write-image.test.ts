import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { runsIn, type WriteImageOptions, writeImage } from './write-image.ts';

const mebibyte = 1024 * 1024;

/** An image of 3 MiB with a hole of 2 MiB, and an empty partition of 8 MiB. */
function place(t: TestContext): { image: Buffer; options: WriteImageOptions } {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-image-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const image = Buffer.concat([
    randomBytes(10_000),
    Buffer.alloc(2 * mebibyte),
    randomBytes(mebibyte - 10_000),
  ]);
  const from = join(folder, 'image');
  const to = join(folder, 'partition');
  writeFileSync(from, image);
  writeFileSync(to, '');
  truncateSync(to, 8 * mebibyte);
  const options = {
    from,
    to,
    digest: createHash('sha256').update(image).digest('hex'),
    partitionBytes: 8 * mebibyte,
    signal: new AbortController().signal,
    onPiece: () => undefined,
    onFlushed: () => undefined,
  };
  return { image, options };
}

test('the partition begins with the image, byte for byte, and holes stay holes', async (t) => {
  const { image, options } = place(t);
  assert.deepEqual(await writeImage(options), { kind: 'written', bytes: image.length });
  const partition = readFileSync(options.to);
  assert.ok(partition.subarray(0, image.length).equals(image));
  assert.ok(partition.subarray(image.length).every((byte) => byte === 0));
  assert.ok(statSync(options.to).blocks * 512 < 2 * mebibyte, 'the zeros take room');
});

test('on a partition that holds something already, zeros are written too', async (t) => {
  const { image, options } = place(t);
  writeFileSync(options.to, Buffer.alloc(8 * mebibyte, 0xff));
  assert.equal((await writeImage(options)).kind, 'written');
  assert.ok(readFileSync(options.to).subarray(0, image.length).equals(image));
});

test('an image that is not what its digest says is unfit', async (t) => {
  const { options } = place(t);
  const end = await writeImage({ ...options, digest: '0'.repeat(64) });
  assert.ok(end.kind === 'unfit' && /digest/.test(end.reason));
});

test('a partition that does not give back what was written is unfit', async (t) => {
  const { image, options } = place(t);
  const onFlushed = () => {
    const bytes = Buffer.from(image);
    bytes[image.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    writeFileSync(options.to, bytes, { flag: 'r+' });
  };
  const end = await writeImage({ ...options, onFlushed });
  assert.ok(end.kind === 'unfit' && /does not hold/.test(end.reason));
});

test('an image that is larger than its partition is refused before a byte is written', async (t) => {
  const { options } = place(t);
  const end = await writeImage({ ...options, partitionBytes: mebibyte });
  assert.equal(end.kind, 'unfit');
  assert.equal(statSync(options.to).blocks, 0);
});

test('stops between two pieces', async (t) => {
  const { options } = place(t);
  const stop = new AbortController();
  assert.deepEqual(await writeImage({ ...options, signal: stop.signal, onPiece: () => stop.abort() }), {
    kind: 'stopped',
  });
});

test('runs of zeros are whole blocks, neighbours are joined, and the last short block counts', () => {
  const piece = Buffer.alloc(4096 * 4 + 10);
  assert.deepEqual(runsIn(piece), [[0, 4096 * 4 + 10, true]]);
  piece[4096] = 1;
  piece[4096 * 3 - 1] = 1;
  piece[4096 * 4 + 9] = 1;
  assert.deepEqual(runsIn(piece), [
    [0, 4096, true],
    [4096, 4096 * 3, false],
    [4096 * 3, 4096 * 4, true],
    [4096 * 4, 4096 * 4 + 10, false],
  ]);
});

test('an image that is one large hole costs no more memory than a small one', async (t) => {
  const { options } = place(t);
  const bytes = 256 * mebibyte;
  const hash = createHash('sha256');
  const piece = Buffer.alloc(mebibyte);
  for (let done = 0; done < bytes; done += mebibyte) hash.update(piece);
  writeFileSync(options.from, '');
  truncateSync(options.from, bytes);
  truncateSync(options.to, bytes);
  const program = join(import.meta.dirname, 'testing', 'write-large-image.ts');
  const args = [program, options.from, hash.digest('hex'), options.to];
  const { stdout } = await promisify(execFile)(process.execPath, args, { signal: t.signal });
  const { end, grownBytes } = JSON.parse(stdout);
  assert.deepEqual(end, { kind: 'written', bytes });
  assert.ok(grownBytes < 32 * mebibyte, `the memory grew by ${grownBytes} bytes`);
  assert.equal(statSync(options.to).blocks, 0);
});
