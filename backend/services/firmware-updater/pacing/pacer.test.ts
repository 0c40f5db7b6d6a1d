import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { C2dMessage, SendOutcome } from '../sender/c2d-message.ts';
import { createPacer, type FrameJob } from './pacer.ts';
import { createRate } from './rate.ts';

const message = (deviceId: string, messageId: string): C2dMessage => ({
  deviceId,
  messageId,
  body: new Uint8Array(1),
  lifetimeMs: 1_000,
});
const job = (deviceId: string, key: string, group = 'transfer'): FrameJob => ({
  key,
  group,
  units: 1,
  make: async () => message(deviceId, key),
  quotaUsed: () => {},
});
const names = (deviceId: string, count: number): FrameJob[] =>
  Array.from({ length: count }, (_, n) => job(deviceId, `${deviceId}${n}`));

/** A pacer whose messages are answered by hand, one in flight unless it is said otherwise. */
function createBench(maxInFlight = 1) {
  const sent: { id: string; answer(outcome: SendOutcome): Promise<void> }[] = [];
  const timers: (() => void)[] = [];
  let nowMs = 0;
  const spent: string[] = [];
  const pacer = createPacer({
    rate: createRate({ perMinute: 'off' }),
    budget: {
      take: () => true,
      framesFromMs: () => undefined,
      giveBack: (kind) => spent.push(`${kind} given back`),
      sent: (kind) => spent.push(`${kind} sent`),
      ...{ refused() {}, serve() {} },
    },
    clock: {
      now: () => nowMs,
      after(_ms, callback) {
        timers.push(callback);
        return () => void timers.splice(timers.indexOf(callback), 1);
      },
    },
    maxInFlight,
    send: ({ messageId: id }) =>
      new Promise((resolve) => {
        sent.push({
          id,
          async answer(outcome) {
            resolve(outcome);
            await settle();
          },
        });
      }),
  });
  return {
    pacer,
    sent,
    spent,
    order: () => sent.map(({ id }) => id),
    pass(ms: number) {
      nowMs += ms;
      for (const timer of timers.splice(0)) timer();
      return settle();
    },
    async answerAll(most = 100) {
      await settle();
      for (let n = 0; n < sent.length && n < most; n += 1) await sent[n]?.answer({ kind: 'sent' });
    },
  };
}

/** Lets every promise that can go on do so. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('the devices take turns, and a command goes before all frames that wait', async () => {
  const { pacer, order, answerAll } = createBench();
  pacer.frames('a', names('a', 4));
  pacer.frames('b', names('b', 2));
  const command = pacer.command(message('b', 'command'));
  await answerAll();
  assert.deepEqual(order(), ['a0', 'command', 'a1', 'b0', 'a2', 'b1', 'a3']);
  assert.deepEqual(await command, { kind: 'sent' });
});

test('refusals of a whole fleet hold up no command, and go before frames', async () => {
  const { pacer, order, answerAll } = createBench();
  pacer.frames('z', names('z', 2));
  for (const deviceId of ['a', 'b', 'c']) void pacer.refusal(message(deviceId, `no ${deviceId}`));
  const command = pacer.command(message('d', 'offer'));
  await answerAll();
  assert.deepEqual(order(), ['z0', 'offer', 'no a', 'no b', 'no c', 'z1']);
  assert.deepEqual(await command, { kind: 'sent' });
});

test('a device has at most 64 frames outstanding, and none of them twice', async () => {
  const { pacer, order, answerAll } = createBench();
  assert.equal(pacer.frames('a', names('a', 70)), 64);
  assert.equal(pacer.frames('a', names('a', 5)), 0);
  await answerAll();
  assert.equal(new Set(order()).size, 64);
  assert.equal(pacer.frames('a', names('a', 5)), 5);
});

test('a throttled frame is sent again, after a pause, and before what stood behind it', async () => {
  const { pacer, sent, order, pass } = createBench();
  pacer.frames('a', names('a', 2));
  await settle();
  await sent[0]?.answer({ kind: 'throttled' });
  assert.deepEqual(order(), ['a0']);
  await pass(10_000);
  await sent[1]?.answer({ kind: 'sent' });
  await pass(10_000);
  assert.deepEqual(order(), ['a0', 'a0', 'a1']);
});

test('a queue that is full ends what waits for its device, and for no other', async () => {
  const { pacer, sent, order, answerAll } = createBench();
  pacer.frames('a', names('a', 3));
  pacer.frames('b', names('b', 2));
  await settle();
  await sent[0]?.answer({ kind: 'queue_full' });
  await answerAll();
  assert.deepEqual(order(), ['a0', 'b0', 'b1']);
});

test('frames of another transfer are dropped, and so are those that waited longer than a device does', async () => {
  const { pacer, order, answerAll, pass } = createBench();
  pacer.frames('a', [job('a', 'first'), job('a', 'old', 'old transfer'), job('a', 'last')]);
  pacer.keepOnly('a', (group) => group === 'transfer');
  await settle();
  await pass(161_000);
  await answerAll();
  assert.deepEqual(order(), ['first']);
});

test('a stop lets commands and what is on its way end, and drops the frames that wait', async () => {
  const { pacer, order, answerAll } = createBench();
  pacer.frames('a', names('a', 3));
  void pacer.command(message('a', 'command'));
  await settle();
  const stopped = pacer.stop();
  await answerAll();
  await stopped;
  assert.deepEqual(order(), ['a0', 'command']);
  assert.equal((await pacer.command(message('a', 'late'))).kind, 'unreachable');
});

test('a frame that is asked for again keeps its place, however long it waits', async () => {
  const { pacer, order, answerAll, pass } = createBench();
  pacer.frames('a', names('a', 3));
  await settle();
  await pass(100_000);
  assert.equal(pacer.frames('a', names('a', 2)), 0);
  await pass(100_000);
  await answerAll();
  assert.deepEqual(order(), ['a0', 'a1']);
});

test('what the hub took counts, what it refused does not, and what nobody knows of counts', async () => {
  const { pacer, sent, spent, pass } = createBench();
  pacer.frames('a', names('a', 4));
  await settle();
  for (const [index, kind] of (['throttled', 'sent', 'queue_full'] as const).entries()) {
    await sent[index]?.answer(kind === 'sent' ? { kind } : ({ kind, reason: '' } as SendOutcome));
    await pass(10_000);
  }
  assert.deepEqual(spent, ['frame given back', 'frame sent', 'frame given back']);
  pacer.frames('b', names('b', 1));
  await settle();
  await sent[3]?.answer({ kind: 'unreachable', reason: '' });
  await pass(10_000);
  await sent[4]?.answer({ kind: 'sent' });
  assert.deepEqual(spent.slice(3), ['frame sent'], 'the first attempt stays counted');
});
