import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDamage } from './damage.ts';

/** Segments of four frames, where every fourth frame belongs to two. */
function createBench() {
  const verified = new Set<number>();
  const layout = { size: 100_000, frameSize: 1_000, segmentSize: 3_500 };
  const damage = createDamage({ layout, isVerified: (segment) => verified.has(segment), maxTimes: 3 });
  const times = () => (['bus', 'https', 'offline'] as const).map(damage.timesOf);
  const brings = (carrier: 'bus' | 'https' | 'offline', ...frames: number[]) => {
    for (const frame of frames) damage.brought(frame, carrier);
  };
  return { ...damage, verified, times, brings };
}

test('whoever brought any frame of a segment is distrusted, as long as the segment is lacking', () => {
  const { brings, found, times, verified } = createBench();
  brings('bus', 0, 1, 2);
  brings('https', 3, 4);
  brings('offline', 5, 6);
  found(0);
  assert.deepEqual(times(), [1, 1, 0]);
  found(1);
  assert.deepEqual(times(), [1, 2, 1]);
  brings('offline', 0, 1, 2, 3);
  assert.deepEqual(
    [...found(0)],
    [
      ['bus', 1],
      ['https', 1],
      ['offline', 1],
    ],
  );
  verified.add(0);
  assert.deepEqual(times(), [0, 1, 1]);
  verified.add(1);
  assert.deepEqual(times(), [0, 0, 0]);
});

test('a carrier is spent by one segment, distrusted for good by several, and forgiven when it is another one', () => {
  const { brings, found, times, verified, isSpent, forgive } = createBench();
  for (const segment of [7, 14, 21]) {
    const first = (segment * 3_500) / 1_000;
    brings('offline', ...[0, 1, 2, 3].map((index) => Math.floor(first) + index));
    found(segment);
    verified.add(segment);
  }
  assert.deepEqual([times(), isSpent('offline')], [[0, 0, 3], false]);
  for (const _time of [1, 2, 3]) found(27);
  assert.equal(isSpent('bus'), false, 'nobody brought any of it');
  brings('offline', 0, 1, 2, 3);
  for (const _time of [1, 2, 3]) found(0);
  assert.equal(isSpent('offline'), true);
  forgive('offline');
  assert.deepEqual([times(), isSpent('offline')], [[0, 0, 0], false]);
});
