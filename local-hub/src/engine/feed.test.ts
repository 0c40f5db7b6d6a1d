import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { openStore } from '../store/open-store.ts';
import { createManualClock } from './clock.ts';
import { isHubError } from './error.ts';
import { createFeed, type FeedDelivery } from './feed.ts';
import type { ReceiveOptions } from './receiver.ts';

function createWorld(t: TestContext, store = openStore({ dataDir: undefined })) {
  const clock = createManualClock();
  const feed = createFeed({ name: 'fileNotifications', store, clock });
  t.after(async () => {
    feed.stop();
    await store.close();
  });
  const publish = (text: string) => feed.publish(Buffer.from(text));
  function receive(options: Partial<ReceiveOptions<FeedDelivery>> = {}) {
    const deliveries: FeedDelivery[] = [];
    const receiver = feed.receive({
      window: 10,
      deliver: (delivery) => deliveries.push(delivery),
      ...options,
    });
    return { receiver, deliveries, texts: () => deliveries.map(({ body }) => body.toString()) };
  }
  return { clock, store, feed, publish, receive };
}

test('items wait for a receiver, in order', async (t) => {
  const { publish, receive, feed, clock } = createWorld(t);
  await publish('1');
  await publish('2');
  assert.equal(feed.pending(), 2);
  const { texts, deliveries, receiver } = receive();
  await nextTurn();
  assert.deepEqual(texts(), ['1', '2']);
  assert.equal(deliveries[0]?.expiryTimeMs, clock.now() + 3_600_000);
  await receiver.complete(deliveries[0]!.lockToken);
  assert.equal(feed.pending(), 1);
});

test('receivers share the items, and get what another leaves unsettled', async (t) => {
  const { publish, receive } = createWorld(t);
  const a = receive({ window: 1 });
  const b = receive();
  for (const text of ['1', '2', '3']) await publish(text);
  assert.deepEqual(a.texts(), ['1']);
  assert.deepEqual(b.texts(), ['2', '3']);
  a.receiver.close();
  assert.deepEqual(b.texts(), ['2', '3', '1']);
  assert.equal(b.deliveries[2]?.redelivered, true);
});

test('a receiver cannot settle what another holds', async (t) => {
  const { publish, receive } = createWorld(t);
  const a = receive();
  const b = receive();
  await publish('1');
  const [delivery] = [...a.deliveries, ...b.deliveries];
  const other = a.deliveries.length === 0 ? a : b;
  await assert.rejects(other.receiver.complete(delivery!.lockToken), (error) =>
    isHubError(error, 'LockLost'),
  );
});

test('an unsettled item comes again after a minute, and dies after an hour', async (t) => {
  const { publish, receive, feed, clock, store } = createWorld(t);
  await publish('1');
  const { texts, receiver } = receive({ window: 1 });
  await nextTurn();
  clock.advance(60_000);
  assert.deepEqual(texts(), ['1', '1']);
  receiver.close();
  clock.advance(3_540_000);
  await store.flushed();
  await nextTurn();
  assert.equal(feed.pending(), 0);
  assert.deepEqual([...store.feeds.load('fileNotifications')], []);
});

test('an item that is abandoned ten times is dropped', async (t) => {
  const { publish, receive, feed } = createWorld(t);
  await publish('1');
  const { deliveries, receiver } = receive();
  await nextTurn();
  for (let attempt = 0; attempt < 10; attempt += 1) await receiver.abandon(deliveries[attempt]!.lockToken);
  assert.equal(deliveries.length, 10);
  assert.equal(feed.pending(), 0);
});

test('items survive a restart, each in its own feed', async (t) => {
  const { publish, store, receive, clock } = createWorld(t);
  const feedback = createFeed({ name: 'feedback', store, clock });
  await publish('notification');
  await feedback.publish(Buffer.from('feedback'));
  const { deliveries, receiver } = receive();
  await nextTurn();
  receiver.close();
  const reopened = createFeed({ name: 'fileNotifications', store, clock });
  const again: FeedDelivery[] = [];
  reopened.receive({ window: 1, deliver: (delivery) => again.push(delivery) });
  await nextTurn();
  assert.equal(deliveries.length, 1);
  assert.deepEqual(
    again.map(({ body, redelivered }) => [body.toString(), redelivered]),
    [['notification', true]],
  );
});
