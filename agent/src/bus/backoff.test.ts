import assert from 'node:assert/strict';
import { test } from 'node:test';
import { waitMs } from './backoff.ts';

test('a wait lies between 0 and a limit that doubles up to its maximum', () => {
  const longest = (attempt: number) => waitMs(attempt, { baseMs: 100, maxMs: 1_000, random: () => 1 });
  assert.deepEqual([1, 2, 3, 4, 5, 1_000_000].map(longest), [100, 200, 400, 800, 1_000, 1_000]);
  assert.equal(waitMs(7, { random: () => 0 }), 0);
  assert.equal(waitMs(2, { random: () => 0.5 }), 1_000);
});
