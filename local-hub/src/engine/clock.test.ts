import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManualClock, createSystemClock } from './clock.ts';
import { createDeadline } from './deadline.ts';

test('a manual clock fires timers in order, each at its own time, new ones included', () => {
  const clock = createManualClock(1_000);
  const fired: [string, number][] = [];
  const note = (name: string) => () => fired.push([name, clock.now()]);
  clock.setTimeout(note('late'), 300);
  clock.setTimeout(() => {
    note('early')();
    clock.setTimeout(note('nested'), 100);
  }, 100);
  clock.clearTimeout(clock.setTimeout(note('cleared'), 50));
  clock.setTimeout(note('too late'), 301);
  clock.advance(300);
  assert.deepEqual(fired, [
    ['early', 1_100],
    ['nested', 1_200],
    ['late', 1_300],
  ]);
  assert.equal(clock.now(), 1_300);
});

test('the system clock fires, and clears', async () => {
  const clock = createSystemClock();
  const fired = Promise.withResolvers<void>();
  clock.clearTimeout(clock.setTimeout(() => fired.reject(new Error('was cleared')), 0));
  clock.setTimeout(fired.resolve, 1);
  // The timers are unreferenced, so something else must keep the process.
  const alive = setInterval(() => {}, 1_000);
  await fired.promise;
  clearInterval(alive);
});

test('a deadline runs at the earliest time that was asked for, and rests between runs', () => {
  const clock = createManualClock(0);
  const runs: number[] = [];
  const deadline = createDeadline({
    clock,
    minIntervalMs: 1_000,
    run(nowMs) {
      runs.push(nowMs);
      return runs.length === 1 ? nowMs + 10 : Number.POSITIVE_INFINITY;
    },
  });
  deadline.by(5_000);
  deadline.by(2_000);
  deadline.by(3_000);
  clock.advance(2_500);
  assert.deepEqual(runs, [2_000]);
  clock.advance(500);
  assert.deepEqual(runs, [2_000, 3_000]);
  clock.advance(60_000);
  assert.deepEqual(runs, [2_000, 3_000]);
  deadline.by(0);
  deadline.stop();
  deadline.by(0);
  clock.advance(60_000);
  assert.deepEqual(runs, [2_000, 3_000]);
});
