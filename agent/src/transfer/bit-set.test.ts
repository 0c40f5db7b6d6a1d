import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBitSet } from './bit-set.ts';

test('a set counts each number once and knows what it lacks', () => {
  const set = createBitSet(20);
  assert.equal(set.add(3), true);
  assert.equal(set.add(3), false);
  for (const index of [0, 1, 2, 8, 9, 10, 11, 12, 13, 14, 15]) set.add(index);
  assert.equal(set.count, 12);
  assert.deepEqual(
    [...set.missing()],
    [
      { first: 4, count: 4 },
      { first: 16, count: 4 },
    ],
  );
  assert.deepEqual([...set.missing(17)], [{ first: 17, count: 3 }]);
  set.remove(9);
  set.remove(9);
  assert.equal(set.count, 11);
  assert.equal(set.has(9), false);
});

test('a set comes back from its bytes, and bits beyond its end do not count', () => {
  const set = createBitSet(11);
  for (const index of [0, 7, 8, 10]) set.add(index);
  assert.deepEqual([...set.toBytes()], [0b1000_0001, 0b0000_0101]);
  const again = createBitSet(11, Uint8Array.of(0b1000_0001, 0b1111_1101));
  assert.equal(again.count, 4);
  assert.throws(() => createBitSet(11, Uint8Array.of(1)), RangeError);
});

test('full, empty and zero-sized sets have no missing range, one, and none', () => {
  const full = createBitSet(16, Uint8Array.of(255, 255));
  assert.deepEqual([...full.missing()], []);
  assert.deepEqual([...createBitSet(16).missing()], [{ first: 0, count: 16 }]);
  assert.deepEqual([...createBitSet(0).missing()], []);
  assert.throws(() => full.add(16), RangeError);
  assert.equal(full.has(-1), false);
});
