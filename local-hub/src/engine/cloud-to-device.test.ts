import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { openStore } from '../store/open-store.ts';
import type { Store } from '../store/store.ts';
import { createManualClock, type ManualClock } from './clock.ts';
import {
  type CloudToDevice,
  type CloudToDeviceSettings,
  createCloudToDevice,
  type Delivery,
  type ReceiveOptions,
} from './cloud-to-device.ts';
import { type HubErrorCode, isHubError } from './error.ts';
import { createFeed } from './feed.ts';
import { createFeedbackBatcher, type FeedbackRecord } from './feedback.ts';
import type { HubMessage, SystemProperties } from './message.ts';
import { openRegistry, type Registry } from './registry.ts';

type World = {
  c2d: CloudToDevice;
  clock: ManualClock;
  store: Store;
  registry: Registry;
  /** All feedback that services have been sent so far. */
  feedback(): Promise<FeedbackRecord[]>;
};

const unthrottled = { take: async () => {}, meter() {} };

async function createWorld(
  t: TestContext,
  settings: Partial<CloudToDeviceSettings> = {},
  store = openStore({ dataDir: undefined }),
): Promise<World> {
  const clock = createManualClock();
  const registry = openRegistry({ store, clock });
  if (!registry.has('d1')) await registry.create({ deviceId: 'd1' });
  const feed = createFeed({ name: 'feedback', store, clock });
  const records: FeedbackRecord[] = [];
  const receiver = feed.receive({
    window: 100,
    deliver({ body, lockToken }) {
      records.push(...(JSON.parse(body.toString()) as FeedbackRecord[]));
      void receiver.complete(lockToken);
    },
  });
  const batcher = createFeedbackBatcher({ store, feed, clock, settings: { maxWaitMs: 0 } });
  const options = { store, clock, registry, throttles: unthrottled, feedback: batcher, settings };
  const c2d = createCloudToDevice(options);
  t.after(async () => {
    c2d.stop();
    batcher.stop();
    feed.stop();
    await store.close();
  });
  async function feedback(): Promise<FeedbackRecord[]> {
    for (let turn = 0; turn < 3; turn += 1) {
      await settled(store);
      clock.advance(0);
    }
    await settled(store);
    return records;
  }
  return { c2d, clock, store, registry, feedback };
}

/** Waits until what was written is durable and its consequences have run. */
async function settled(store: Store): Promise<void> {
  await store.flushed();
  await nextTurn();
}

function message(text: string, system: SystemProperties = {}): HubMessage {
  return { body: Buffer.from(text), system: { messageId: text, ...system }, properties: {} };
}

/** A receiver that keeps what comes, and settles nothing by itself. */
function receive(c2d: CloudToDevice, options: Partial<ReceiveOptions<Delivery>> = {}) {
  const deliveries: Delivery[] = [];
  const receiver = c2d.receive('d1', {
    window: 50,
    deliver: (delivery) => deliveries.push(delivery),
    ...options,
  });
  const texts = () => deliveries.map((delivery) => delivery.message.body.toString());
  return { receiver, deliveries, texts };
}

const refuses = (code: HubErrorCode) => (error: unknown) => isHubError(error, code);

async function sendAll(c2d: CloudToDevice, texts: readonly string[], system?: SystemProperties) {
  await Promise.all(texts.map((text) => c2d.send('d1', message(text, system))));
}

test('messages arrive in the order in which they were sent, whole', async (t) => {
  const { c2d, clock } = await createWorld(t);
  const sent = message('first', { correlationId: 'c', contentType: 'application/octet-stream' });
  sent.properties = { zebra: '1', alpha: '2' };
  await c2d.send('d1', sent);
  const { texts, deliveries } = receive(c2d);
  await sendAll(c2d, ['second', 'third']);
  assert.deepEqual(texts(), ['first', 'second', 'third']);
  const [first] = deliveries;
  assert.deepEqual(first?.message, sent);
  assert.deepEqual(Object.keys(first?.message.properties ?? {}), ['zebra', 'alpha']);
  assert.equal(first?.deliveryCount, 0);
  assert.equal(first?.redelivered, false);
  assert.equal(first?.enqueuedTimeMs, clock.now());
  assert.equal(c2d.pending('d1'), 3);
});

test('nothing is delivered before it is durable', async (t) => {
  const { c2d, store } = await createWorld(t);
  const { texts } = receive(c2d);
  const durable: string[] = [];
  const commands = store.commands;
  const realAdd = commands.add;
  const gate = Promise.withResolvers<void>();
  commands.add = async (...row) => {
    await gate.promise;
    return realAdd(...row);
  };
  const sent = c2d.send('d1', message('a')).then(() => durable.push('a'));
  await settled(store);
  assert.deepEqual(texts(), []);
  gate.resolve();
  await sent;
  assert.deepEqual(texts(), ['a']);
});

test('a window limits what is unsettled, and settling makes room', async (t) => {
  const { c2d } = await createWorld(t);
  const { receiver, texts, deliveries } = receive(c2d, { window: 2 });
  await sendAll(c2d, ['a', 'b', 'c', 'd']);
  assert.deepEqual(texts(), ['a', 'b']);
  await receiver.complete(deliveries[0]!.lockToken);
  assert.deepEqual(texts(), ['a', 'b', 'c']);
  receiver.setWindow(3);
  assert.deepEqual(texts(), ['a', 'b', 'c', 'd']);
});

test('credit limits how many more may come, whatever is settled', async (t) => {
  const { c2d } = await createWorld(t);
  const { receiver, texts, deliveries } = receive(c2d, { credit: 1 });
  await sendAll(c2d, ['a', 'b', 'c', 'd']);
  assert.deepEqual(texts(), ['a']);
  await receiver.complete(deliveries[0]!.lockToken);
  assert.deepEqual(texts(), ['a']);
  receiver.setCredit(2);
  assert.deepEqual(texts(), ['a', 'b', 'c']);
});

test('completing from within deliver keeps the order', async (t) => {
  const { c2d } = await createWorld(t);
  const texts: string[] = [];
  const receiver = c2d.receive('d1', {
    window: 1,
    deliver({ message: { body }, lockToken }) {
      texts.push(body.toString());
      void receiver.complete(lockToken);
    },
  });
  const numbers = Array.from({ length: 40 }, (_, index) => `${index}`);
  await sendAll(c2d, numbers);
  assert.deepEqual(texts, numbers);
});

test('an abandoned message comes again at its old place with a higher count, until it is dead-lettered', async (t) => {
  const { c2d, feedback, store } = await createWorld(t, { maxDeliveryCount: 3 });
  const { receiver, deliveries, texts } = receive(c2d, { window: 1 });
  await sendAll(c2d, ['a', 'b'], { ack: 'negative' });
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const delivery = deliveries.at(-1)!;
    assert.equal(delivery.deliveryCount, attempt);
    assert.equal(delivery.redelivered, attempt > 0);
    await receiver.abandon(delivery.lockToken);
  }
  assert.deepEqual(texts(), ['a', 'a', 'a', 'b']);
  const [record, ...others] = await feedback();
  assert.equal(record?.statusCode, 'DeliveryCountExceeded');
  assert.equal(record?.originalMessageId, 'a');
  assert.deepEqual(others, []);
  assert.equal([...store.commands.load()].length, 1);
});

test('a lock that expires gives the message back without raising its count, and its token is lost', async (t) => {
  const { c2d, clock } = await createWorld(t);
  const { receiver, deliveries } = receive(c2d);
  await c2d.send('d1', message('a'));
  clock.advance(59_999);
  assert.equal(deliveries.length, 1);
  clock.advance(1);
  assert.equal(deliveries.length, 2);
  assert.equal(deliveries[1]?.deliveryCount, 0);
  assert.equal(deliveries[1]?.redelivered, true);
  await assert.rejects(receiver.complete(deliveries[0]!.lockToken), refuses('LockLost'));
  await receiver.complete(deliveries[1]!.lockToken);
  assert.equal(c2d.pending('d1'), 0);
});

test('a link lock lasts as long as its link', async (t) => {
  const { c2d, clock } = await createWorld(t);
  const { receiver, deliveries } = receive(c2d, { lock: 'link' });
  await c2d.send('d1', message('a'));
  clock.advance(3 * 3_600_000);
  assert.equal(deliveries.length, 1);
  await receiver.complete(deliveries[0]!.lockToken);
});

test('a closed receiver gives its messages back at once, in order', async (t) => {
  const { c2d } = await createWorld(t);
  const first = receive(c2d, { window: 3 });
  await sendAll(c2d, ['a', 'b', 'c', 'd', 'e']);
  await first.receiver.complete(first.deliveries[1]!.lockToken);
  first.receiver.close();
  first.receiver.close();
  await assert.rejects(first.receiver.complete(first.deliveries[0]!.lockToken), refuses('LockLost'));
  const second = receive(c2d);
  await nextTurn();
  assert.deepEqual(second.texts(), ['a', 'c', 'd', 'e']);
  assert.deepEqual(
    second.deliveries.map(({ redelivered }) => redelivered),
    [true, true, true, false],
  );
});

test('with onDisconnect lock, they come back when the lock expires', async (t) => {
  const { c2d, clock } = await createWorld(t, { onDisconnect: 'lock' });
  const first = receive(c2d, { lock: 'link' });
  await c2d.send('d1', message('a'));
  first.receiver.close();
  const second = receive(c2d);
  clock.advance(59_999);
  await nextTurn();
  assert.deepEqual(second.texts(), []);
  clock.advance(1);
  assert.deepEqual(second.texts(), ['a']);
});

test('a new receiver takes over from the old one', async (t) => {
  const { c2d } = await createWorld(t);
  const first = receive(c2d);
  await c2d.send('d1', message('a'));
  const second = receive(c2d);
  await c2d.send('d1', message('b'));
  assert.deepEqual(first.texts(), ['a']);
  assert.deepEqual(second.texts(), ['a', 'b']);
  await assert.rejects(first.receiver.complete(first.deliveries[0]!.lockToken), refuses('LockLost'));
});

test('a polling device locks, completes, abandons and rejects', async (t) => {
  const { c2d, clock, feedback } = await createWorld(t);
  assert.equal(await c2d.lockNext('d1'), undefined);
  await sendAll(c2d, ['a', 'b', 'c'], { ack: 'full' });
  const a = await c2d.lockNext('d1');
  const b = await c2d.lockNext('d1');
  assert.equal(a?.message.body.toString(), 'a');
  await c2d.complete('d1', a!.lockToken);
  await c2d.abandon('d1', b!.lockToken);
  const again = await c2d.lockNext('d1');
  assert.equal(again?.message.body.toString(), 'b');
  assert.equal(again?.deliveryCount, 1);
  await c2d.reject('d1', again!.lockToken);
  const c = await c2d.lockNext('d1');
  clock.advance(60_000);
  await assert.rejects(c2d.complete('d1', c!.lockToken), refuses('LockLost'));
  await assert.rejects(c2d.complete('d1', 'nonsense'), refuses('LockLost'));
  await assert.rejects(c2d.complete('d2', 'nonsense'), refuses('LockLost'));
  assert.deepEqual(
    (await feedback()).map(({ originalMessageId, statusCode }) => [originalMessageId, statusCode]),
    [
      ['a', 'Success'],
      ['b', 'Rejected'],
    ],
  );
});

const outcomes = {
  none: [],
  positive: ['Success'],
  negative: ['Rejected', 'Expired', 'DeliveryCountExceeded', 'Purged'],
  full: ['Success', 'Rejected', 'Expired', 'DeliveryCountExceeded', 'Purged'],
} as const;

for (const [ack, expected] of Object.entries(outcomes)) {
  test(`ack ${ack} gives feedback on ${expected.join(', ') || 'nothing'}`, async (t) => {
    const { c2d, clock, feedback, registry } = await createWorld(t, { maxDeliveryCount: 1 });
    await sendAll(c2d, ['completed', 'rejected', 'abandoned'], { ack: ack as keyof typeof outcomes });
    const { receiver, deliveries } = receive(c2d);
    await nextTurn();
    const [completed, rejected, abandoned] = deliveries.map(({ lockToken }) => lockToken);
    await receiver.complete(completed!);
    await receiver.reject(rejected!);
    clock.advance(5);
    const endMs = clock.now();
    await receiver.abandon(abandoned!);
    receiver.close();
    await c2d.send('d1', message('expired', { ack: ack as keyof typeof outcomes, expiryTimeUtcMs: endMs }));
    await feedback();
    await c2d.send('d1', message('purged', { ack: ack as keyof typeof outcomes }));
    assert.equal(await c2d.purge('d1'), 1);
    const records = await feedback();
    assert.deepEqual(new Set(records.map(({ statusCode }) => statusCode)), new Set(expected));
    assert.equal(records.length, expected.length);
    const exceeded = records.find(({ statusCode }) => statusCode === 'DeliveryCountExceeded');
    if (exceeded !== undefined) {
      assert.deepEqual(exceeded, {
        originalMessageId: 'abandoned',
        enqueuedTimeUtc: new Date(endMs).toISOString(),
        statusCode: 'DeliveryCountExceeded',
        description: 'Message delivery count exceeded',
        deviceId: 'd1',
        deviceGenerationId: registry.record('d1')?.generationId,
      });
    }
  });
}

test('a message expires after an hour, or when it says so, but not while it is locked', async (t) => {
  const { c2d, clock, store } = await createWorld(t);
  await c2d.send('d1', message('own', { expiryTimeUtcMs: clock.now() + 90_000 }));
  await c2d.send('d1', message('default'));
  const locked = await c2d.lockNext('d1');
  clock.advance(59_000);
  assert.equal(c2d.pending('d1'), 2);
  clock.advance(1_000);
  clock.advance(30_000);
  await settled(store);
  assert.equal(c2d.pending('d1'), 1, 'its lock expired, then its life');
  await assert.rejects(c2d.complete('d1', locked!.lockToken), refuses('LockLost'));
  clock.advance(3_600_000);
  await settled(store);
  assert.equal(c2d.pending('d1'), 0);
  assert.deepEqual([...store.commands.load()], []);
});

test('an expired message is never delivered, even when nothing has swept it yet', async (t) => {
  const { c2d, clock } = await createWorld(t);
  await c2d.send('d1', message('dead on arrival', { expiryTimeUtcMs: clock.now() }));
  await c2d.send('d1', message('alive'));
  const { texts } = receive(c2d);
  await nextTurn();
  assert.deepEqual(texts(), ['alive']);
});

test('a locked message can be completed after its expiry', async (t) => {
  const { c2d, clock, feedback } = await createWorld(t);
  await c2d.send('d1', message('a', { ack: 'full', expiryTimeUtcMs: clock.now() + 10_000 }));
  const locked = await c2d.lockNext('d1');
  clock.advance(20_000);
  await c2d.complete('d1', locked!.lockToken);
  assert.equal((await feedback())[0]?.statusCode, 'Success');
});

test('the fifty-first pending message is refused, until one is gone', async (t) => {
  const { c2d, clock } = await createWorld(t);
  const fifty = Array.from({ length: 49 }, (_, index) => `${index}`);
  await c2d.send('d1', message('short', { expiryTimeUtcMs: clock.now() + 60_000 }));
  await sendAll(c2d, fifty);
  const locked = await c2d.lockNext('d1');
  await assert.rejects(c2d.send('d1', message('51')), refuses('DeviceMaximumQueueDepthExceeded'));
  await c2d.complete('d1', locked!.lockToken);
  await c2d.send('d1', message('51'));
  await assert.rejects(c2d.send('d1', message('52')), refuses('DeviceMaximumQueueDepthExceeded'));
  clock.advance(3_600_000);
  await sendAll(c2d, fifty);
});

test('concurrent sends cannot exceed the depth', async (t) => {
  const { c2d } = await createWorld(t);
  const results = await Promise.allSettled(
    Array.from({ length: 80 }, (_, index) => c2d.send('d1', message(`${index}`))),
  );
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 50);
  assert.equal(c2d.pending('d1'), 50);
});

test('64 KiB with properties is the most that a message may have', async (t) => {
  const { c2d } = await createWorld(t);
  const largest: HubMessage = { body: Buffer.alloc(65_526), system: {}, properties: { name: 'value!' } };
  await c2d.send('d1', largest);
  const tooLarge = { ...largest, properties: { name: 'value!!' } };
  await assert.rejects(c2d.send('d1', tooLarge), refuses('MessageTooLarge'));
});

test('an unknown device is refused, for sending and for purging', async (t) => {
  const { c2d } = await createWorld(t);
  await assert.rejects(c2d.send('d2', message('a')), refuses('DeviceNotFound'));
  await assert.rejects(c2d.purge('d2'), refuses('DeviceNotFound'));
});

test('purge removes locked messages too, and says how many', async (t) => {
  const { c2d, store } = await createWorld(t);
  const { receiver, deliveries, texts } = receive(c2d, { window: 2 });
  await sendAll(c2d, ['a', 'b', 'c']);
  const abandoned = receiver.abandon(deliveries[1]!.lockToken);
  assert.equal(await c2d.purge('d1'), 3);
  await abandoned;
  await assert.rejects(receiver.complete(deliveries[0]!.lockToken), refuses('LockLost'));
  assert.equal(await c2d.purge('d1'), 0);
  assert.deepEqual([...store.commands.load()], []);
  await c2d.send('d1', message('d'));
  assert.deepEqual(texts(), ['a', 'b', 'd']);
});

test('deleting a device deletes its messages, and a new device of that name gets none', async (t) => {
  const { c2d, registry, store } = await createWorld(t);
  await sendAll(c2d, ['a', 'b']);
  await registry.remove('d1');
  assert.equal(c2d.pending('d1'), 0);
  assert.deepEqual([...store.commands.load()], []);
  await registry.create({ deviceId: 'd1' });
  const { texts } = receive(c2d);
  await nextTurn();
  assert.deepEqual(texts(), []);
});

test('contents beyond the memory budget are delivered from disk', async (t) => {
  const { c2d, store } = await createWorld(t, { maxMemoryBytes: 2_500 });
  const texts = ['a', 'b', 'c', 'd'].map((letter) => letter.repeat(1_000));
  await Promise.all(texts.map((text) => c2d.send('d1', { ...message(text), system: {} })));
  let reads = 0;
  const realContent = store.commands.content;
  store.commands.content = (sequence) => {
    reads += 1;
    return realContent(sequence);
  };
  const { texts: received } = receive(c2d);
  await nextTurn();
  assert.deepEqual(received(), texts);
  assert.equal(reads, 2);
});

test('a failed send leaves nothing behind and stops nothing', async (t) => {
  const { c2d } = await createWorld(t, {}, openStore({ dataDir: undefined, maxFileBytes: 1_500_000 }));
  const { texts, deliveries, receiver } = receive(c2d);
  const body = Buffer.alloc(60_000);
  const results = await Promise.allSettled(
    Array.from({ length: 40 }, () => c2d.send('d1', { body, system: {}, properties: {} })),
  );
  const refused = results.filter(({ status }) => status === 'rejected');
  assert.ok(refused.length > 5 && refused.length < 40, `${refused.length} refused`);
  for (const { reason } of refused as PromiseRejectedResult[])
    assert.ok(refuses('StorageUnavailable')(reason));
  assert.equal(c2d.pending('d1'), 40 - refused.length);
  assert.equal(texts().length, 40 - refused.length);

  await receiver.complete(deliveries[0]!.lockToken);
  await c2d.send('d1', message('space again'));
  assert.equal(texts().at(-1), 'space again');
});

test('a settlement that the disk refuses leaves the message locked, and can be tried again', async (t) => {
  const { c2d, store, clock } = await createWorld(t);
  const { receiver, deliveries } = receive(c2d, { window: 1 });
  await sendAll(c2d, ['a', 'b']);
  const { remove, setDeliveryCount } = store.commands;
  const fail = () => Promise.reject(new Error('disk full'));
  Object.assign(store.commands, { remove: fail, setDeliveryCount: fail });
  const token = deliveries[0]!.lockToken;
  await assert.rejects(receiver.complete(token), /disk full/);
  await assert.rejects(receiver.abandon(token), /disk full/);
  await assert.rejects(c2d.purge('d1'), /disk full/);
  clock.advance(3_600_000);
  await settled(store);
  assert.equal(c2d.pending('d1'), 2, 'expired, but the disk does not let them go');

  Object.assign(store.commands, { remove, setDeliveryCount });
  clock.advance(1_000);
  await settled(store);
  assert.equal(c2d.pending('d1'), 0);
});

for (const verb of ['complete', 'abandon', 'reject'] as const) {
  test(`${verb} can be tried again after the disk refused it`, async (t) => {
    const { c2d, store } = await createWorld(t);
    const { receiver, deliveries, texts } = receive(c2d, { window: 1 });
    await sendAll(c2d, ['a']);
    const { remove, setDeliveryCount } = store.commands;
    const fail = () => Promise.reject(new Error('disk full'));
    Object.assign(store.commands, { remove: fail, setDeliveryCount: fail });
    await assert.rejects(receiver[verb](deliveries[0]!.lockToken), /disk full/);
    assert.equal(c2d.pending('d1'), 1);
    Object.assign(store.commands, { remove, setDeliveryCount });
    await receiver[verb](deliveries[0]!.lockToken);
    assert.equal(c2d.pending('d1'), verb === 'abandon' ? 1 : 0);
    if (verb === 'abandon') assert.equal(deliveries[1]?.deliveryCount, 1);
    assert.equal(texts().length, verb === 'abandon' ? 2 : 1);
  });
}

test('after a restart the queue and the delivery counts are there again', async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'hub-c2d-'));
  t.after(() => rmSync(dataDir, { recursive: true, force: true }));
  const before = await createWorld(t, {}, openStore({ dataDir }));
  const first = receive(before.c2d, { window: 2 });
  await sendAll(before.c2d, ['a', 'b', 'c', 'd'], { ack: 'full' });
  await first.receiver.complete(first.deliveries[0]!.lockToken);
  first.receiver.setWindow(0);
  await first.receiver.abandon(first.deliveries[1]!.lockToken);
  before.c2d.stop();
  await before.store.close();

  const after = await createWorld(t, { maxMemoryBytes: 0 }, openStore({ dataDir }));
  const second = receive(after.c2d);
  await after.c2d.send('d1', message('e'));
  assert.deepEqual(second.texts(), ['b', 'c', 'd', 'e']);
  assert.equal(second.deliveries[0]?.deliveryCount, 1);
  assert.deepEqual(
    second.deliveries.map(({ redelivered }) => redelivered),
    [true, true, true, false],
    'whoever was not told otherwise may have seen it before',
  );
});
