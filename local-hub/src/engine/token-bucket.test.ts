import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManualClock } from './clock.ts';
import { createTokenBucket, type TokenBucketOptions } from './token-bucket.ts';

function open(options: Partial<TokenBucketOptions> = {}) {
  const clock = createManualClock();
  const bucket = createTokenBucket({ clock, perSecond: 10, burstMs: 1000, maxWaitMs: 2000, ...options });
  const log: string[] = [];
  async function take(name: string, cost = 1): Promise<void> {
    log.push(`${name} ${(await bucket.take(cost)) ? 'goes' : 'is refused'}`);
  }
  /** Lets promises that were resolved run. */
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return { clock, bucket, log, take, settle };
}

test('a burst goes at once, excess waits at the rate and in order, and more than can wait is refused', async () => {
  const { clock, log, take, settle } = open();
  for (let index = 1; index <= 31; index += 1) void take(`#${index}`);
  await settle();
  assert.equal(log.length, 11);
  assert.deepEqual(log.slice(9), ['#10 goes', '#31 is refused']);
  for (let index = 11; index <= 30; index += 1) {
    clock.advance(99);
    await settle();
    assert.equal(log.length, index);
    clock.advance(1);
    await settle();
    assert.equal(log.at(-1), `#${index} goes`);
  }
});

test('capacity that is not used is saved, but not beyond the burst', async () => {
  const { clock, log, take, settle } = open();
  void take('all', 10);
  clock.advance(500);
  for (let index = 1; index <= 6; index += 1) void take(`#${index}`);
  await settle();
  assert.equal(log.at(-1), '#5 goes');
  clock.advance(100_000);
  await settle();
  assert.equal(log.at(-1), '#6 goes');
  void take('burst', 10);
  void take('excess');
  await settle();
  assert.equal(log.at(-1), 'burst goes');
});

test('nobody overtakes those who wait, not even when the capacity for all is there already', async () => {
  const { clock, log, take, settle } = open();
  void take('all', 10);
  void take('big', 5);
  void take('small', 1);
  await settle();
  assert.deepEqual(log, ['all goes']);
  clock.advance(500);
  await settle();
  assert.deepEqual(log.slice(1), ['big goes']);
  clock.advance(100);
  void take('late', 0.1);
  await settle();
  assert.deepEqual(log.slice(2), ['small goes']);
  clock.advance(10);
  await settle();
  assert.deepEqual(log.slice(3), ['late goes']);
});

test('an operation larger than the bucket goes when the bucket is full, and leaves a debt', async () => {
  const { clock, log, take, settle } = open();
  void take('huge', 25);
  void take('next', 1);
  await settle();
  assert.deepEqual(log, ['huge goes']);
  clock.advance(1599);
  await settle();
  assert.deepEqual(log, ['huge goes']);
  clock.advance(1);
  await settle();
  assert.deepEqual(log, ['huge goes', 'next goes']);
});

test('a clock that is set back stops nothing for good', async () => {
  const { clock, log, take, settle } = open();
  void take('all', 10);
  clock.advance(-3_600_000);
  void take('next');
  clock.advance(100);
  await settle();
  assert.deepEqual(log, ['all goes', 'next goes']);
});

test('those who wait are refused when the bucket stops', async () => {
  const { bucket, log, take, settle } = open();
  void take('all', 10);
  void take('next');
  bucket.stop();
  await settle();
  assert.deepEqual(log, ['all goes', 'next is refused']);
});
