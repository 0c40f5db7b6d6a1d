/** The database and the hub that the tests of every service stand on. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { testBlobs, testHubWithBlobs } from './test-hub.ts';

const bytes = Buffer.from('what an object holds');
const digest = createHash('sha256').update(bytes).digest('hex');
const absent = '0'.repeat(64);

test('objects are stored once under their digest, and read in pieces', async (t) => {
  const { objects } = await testBlobs(t, await testHubWithBlobs(t));
  assert.equal(await objects.size(digest), null);
  assert.equal(await objects.read(digest, 0, 4), null);
  await objects.put(digest, bytes);
  await objects.put(digest, bytes);
  assert.equal(await objects.size(digest), bytes.byteLength);
  assert.equal((await objects.read(digest, 5, 2))?.toString(), 'an');
  assert.equal((await objects.read(digest, 17, 60_000))?.toString(), 'lds');
  assert.deepEqual(await objects.has([digest, absent]), new Set([digest]));
  await assert.rejects(objects.put(absent, bytes), /the content is not that of object 0000/);
  await assert.rejects(objects.size('../secret'), RangeError);

  const read = await fetch(await objects.readUrl(digest, 60_000));
  assert.equal(await read.text(), bytes.toString());
  const again = { method: 'PUT', body: bytes, headers: { 'x-ms-blob-type': 'BlockBlob' } };
  const replaced = await fetch(await objects.writeUrl(digest, 60_000), again);
  assert.ok(replaced.status >= 400, `a create-only URL replaced an object: ${replaced.status}`);
  const created = await fetch(await objects.writeUrl(absent, 60_000), again);
  assert.equal(created.status, 201);
});
