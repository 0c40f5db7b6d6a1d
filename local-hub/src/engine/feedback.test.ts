import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { openStore } from '../store/open-store.ts';
import type { Store } from '../store/store.ts';
import { createManualClock } from './clock.ts';
import { createFeed } from './feed.ts';
import { createFeedbackBatcher, type FeedbackRecord } from './feedback.ts';

function createBatcher(t: TestContext, store: Store) {
  const clock = createManualClock();
  const feed = createFeed({ name: 'feedback', store, clock });
  const batcher = createFeedbackBatcher({ store, feed, clock });
  const batches: string[][] = [];
  const receiver = feed.receive({
    window: 1,
    deliver({ body, lockToken }) {
      const records = JSON.parse(body.toString()) as FeedbackRecord[];
      batches.push(records.map((record) => record.originalMessageId));
      void receiver.complete(lockToken);
    },
  });
  t.after(() => {
    batcher.stop();
    feed.stop();
  });
  async function settled(): Promise<void> {
    for (let turn = 0; turn < 3; turn += 1) {
      await store.flushed();
      await nextTurn();
    }
  }
  return { clock, batcher, batches, settled };
}

const record = (originalMessageId: string): FeedbackRecord => ({
  originalMessageId,
  enqueuedTimeUtc: '2026-01-01T00:00:00.000Z',
  statusCode: 'Success',
  description: 'Success',
  deviceId: 'd1',
  deviceGenerationId: 'g1',
});

const ids = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => `${from + index}`);

test('sixty-four records make a batch at once, the others 15 s after the first of them', async (t) => {
  const store = openStore({ dataDir: undefined });
  t.after(() => store.close());
  const { clock, batcher, batches, settled } = createBatcher(t, store);
  await Promise.all(ids(0, 130).map((id) => batcher.record(record(id))));
  await settled();
  assert.deepEqual(batches, [ids(0, 64), ids(64, 128)]);
  clock.advance(5_000);
  await batcher.record(record('130'));
  clock.advance(9_999);
  await settled();
  assert.equal(batches.length, 2);
  clock.advance(1);
  await settled();
  assert.deepEqual(batches[2], ['128', '129', '130']);
  assert.deepEqual([...store.feedbackRecords.load()], []);
});

test('records that waited when the hub stopped are sent after the restart', async (t) => {
  const store = openStore({ dataDir: undefined });
  t.after(() => store.close());
  const before = createBatcher(t, store);
  await before.batcher.record(record('a'));
  before.batcher.stop();
  const after = createBatcher(t, store);
  await after.batcher.record(record('b'));
  after.clock.advance(15_000);
  await after.settled();
  assert.deepEqual(after.batches, [['a', 'b']]);
});

test('a batch that the disk refuses is sent later, once', async (t) => {
  const store = openStore({ dataDir: undefined });
  t.after(() => store.close());
  const { clock, batcher, batches, settled } = createBatcher(t, store);
  const { add } = store.feeds;
  store.feeds.add = () => Promise.reject(new Error('disk full'));
  await batcher.record(record('a'));
  clock.advance(15_000);
  await settled();
  store.feeds.add = add;
  await batcher.record(record('b'));
  clock.advance(1_000);
  await settled();
  assert.deepEqual(batches, [['a', 'b']]);
});

test('a record that was not stored is not sent', async (t) => {
  const store = openStore({ dataDir: undefined });
  t.after(() => store.close());
  const { clock, batcher, batches, settled } = createBatcher(t, store);
  const { add } = store.feedbackRecords;
  store.feedbackRecords.add = () => Promise.reject(new Error('disk full'));
  await assert.rejects(batcher.record(record('a')), /disk full/);
  store.feedbackRecords.add = add;
  await batcher.record(record('b'));
  clock.advance(15_000);
  await settled();
  assert.deepEqual(batches, [['b']]);
});
