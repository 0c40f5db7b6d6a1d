import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openContentStore } from './content-store.ts';
import { temporaryFolder } from './testing/bench.ts';
import { watchFlushes } from './testing/watch-flushes.ts';

const content = Buffer.from('a content');
const digest = createHash('sha256').update(content).digest('hex');

test('a content is flushed before it has its name, and its name before it is relied on', async (t) => {
  const store = openContentStore(join(temporaryFolder(t), 'contents'));
  const flushes = await watchFlushes(t);
  const writer = await store.write(digest);
  await writer.add(content);
  const named: boolean[] = [];
  flushes.onFlush = () => named.push(store.has(digest));
  assert.equal(await writer.finish(), true);
  // On Windows a name needs no flush of its folder.
  assert.deepEqual(named, process.platform === 'win32' ? [false] : [false, true]);
  assert.deepEqual(readFileSync(store.pathOf(digest)), content);
});

test('what has another digest never has the name, and a beginning is forgotten by the next one', async (t) => {
  const store = openContentStore(join(temporaryFolder(t), 'contents'));
  const wrong = await store.write(digest);
  await wrong.add(Buffer.from('another'));
  assert.equal(await wrong.finish(), false);
  assert.equal(store.has(digest), false);
  const left = await store.write(digest);
  await left.add(Buffer.from('cut short by a kill'));
  const again = await store.write(digest);
  await again.add(content);
  assert.equal(await again.finish(), true);
  await left.abandon();
  assert.deepEqual(readFileSync(store.pathOf(digest)), content);
});
