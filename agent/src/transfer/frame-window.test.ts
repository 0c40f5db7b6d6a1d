import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBitSet } from './bit-set.ts';
import { createFrameWindow } from './frame-window.ts';

const options = { window: 8, patienceMs: 1_000, maxPatienceMs: 3_000, random: () => 0 };

test('a window asks for the first frames that are missing, and again when a quarter of them have come', () => {
  const frames = createBitSet(30);
  frames.add(2);
  const window = createFrameWindow({ ...options, frames });
  assert.deepEqual(window.next(0), {
    ranges: [
      { first: 0, count: 2 },
      { first: 3, count: 6 },
    ],
    count: 8,
  });
  assert.equal(window.next(0), undefined);
  frames.add(0);
  window.arrived(0, 10);
  assert.equal(window.next(10), undefined);
  frames.add(1);
  window.arrived(1, 10);
  assert.deepEqual(window.next(10), { ranges: [{ first: 9, count: 2 }], count: 2 });
});

test('what does not come is asked for again, ever more patiently, until something comes', () => {
  const frames = createBitSet(3);
  const window = createFrameWindow({ ...options, frames });
  assert.equal(window.next(0)?.count, 3);
  assert.equal(window.lapsesAtMs, 1_000);
  assert.equal(window.next(999), undefined);
  assert.equal(window.next(1_000)?.count, 3);
  assert.equal(window.lapsesAtMs, 3_000);
  assert.equal(window.next(3_000)?.count, 3);
  assert.equal(window.lapsesAtMs, 6_000, 'doubled, but not beyond the greatest patience');
  frames.add(0);
  window.arrived(0, 3_100);
  assert.deepEqual(window.next(6_000), { ranges: [{ first: 1, count: 2 }], count: 2 });
});

test('a device that waits for its turn among others is as patient as that takes, for the next object too', () => {
  const pace = { gapMs: 0 };
  const [patient, frames] = [{ ...options, maxPatienceMs: 30_000, pace }, createBitSet(8)];
  const window = createFrameWindow({ ...patient, frames });
  window.next(0);
  frames.add(0);
  window.arrived(0, 2_000);
  assert.equal(window.lapsesAtMs, 10_000, 'four times two seconds');
  for (const frame of [1, 2, 3, 4]) {
    frames.add(frame);
    window.arrived(frame, 2_000 + 100 * frame);
  }
  assert.ok(pace.gapMs > 600 && pace.gapMs < 800, `the pace is forgotten slowly: ${pace.gapMs}`);
  const next = createFrameWindow({ ...patient, frames: createBitSet(8) });
  next.next(10_000);
  assert.equal(next.lapsesAtMs, 10_000 + 4 * pace.gapMs);
});

test('what keeps coming slowly is asked for again all the same, or the backend would drop what waits', () => {
  const frames = createBitSet(8);
  const window = createFrameWindow({ ...options, frames });
  window.next(0);
  frames.add(0);
  window.arrived(0, 2_000);
  assert.equal(window.lapsesAtMs, 3_000);
  assert.deepEqual(window.next(3_000), { ranges: [{ first: 1, count: 7 }], count: 7 });
});

test('a frame that is here is never asked for, even if its segment was damaged and came again meanwhile', () => {
  const frames = createBitSet(4);
  const window = createFrameWindow({ ...options, frames });
  window.next(0);
  for (const frame of [0, 1, 2, 3]) {
    frames.add(frame);
    window.arrived(frame, 1);
  }
  assert.equal(window.next(2), undefined);
  assert.equal(window.lapsesAtMs, undefined);
  frames.remove(1);
  assert.deepEqual(window.next(3), { ranges: [{ first: 1, count: 1 }], count: 1 });
});

test('after a lost link everything that is missing may be asked for at once', () => {
  const frames = createBitSet(4);
  const window = createFrameWindow({ ...options, frames });
  window.next(0);
  window.reset();
  assert.deepEqual(window.next(1), { ranges: [{ first: 0, count: 4 }], count: 4 });
});

test('no request has more ranges than the contract allows', () => {
  const frames = createBitSet(2_000);
  for (let frame = 1; frame < 2_000; frame += 2) frames.add(frame);
  const window = createFrameWindow({ ...options, window: 1_000, frames });
  const request = window.next(0);
  assert.equal(request?.ranges.length, 256);
  assert.equal(request?.count, 256);
});
