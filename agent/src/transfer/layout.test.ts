import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  frameAt,
  frameCount,
  framesOfSegment,
  type Layout,
  segmentCount,
  segmentsOfFrame,
} from './layout.ts';

const layout: Layout = { size: 2_500, frameSize: 100, segmentSize: 1_024 };

test('frames and segments that do not divide each other overlap as their bytes do', () => {
  assert.equal(frameCount(layout), 25);
  assert.equal(segmentCount(layout), 3);
  assert.deepEqual(framesOfSegment(layout, 0), { first: 0, count: 11 });
  assert.deepEqual(framesOfSegment(layout, 1), { first: 10, count: 11 });
  assert.deepEqual(framesOfSegment(layout, 2), { first: 20, count: 5 });
  assert.deepEqual(segmentsOfFrame(layout, 10), { first: 0, count: 2 });
  assert.deepEqual(segmentsOfFrame(layout, 24), { first: 2, count: 1 });
});

test('a frame of several segments knows them all', () => {
  const coarse: Layout = { size: 10_000, frameSize: 4_096, segmentSize: 1_000 };
  assert.deepEqual(segmentsOfFrame(coarse, 0), { first: 0, count: 5 });
  assert.deepEqual(segmentsOfFrame(coarse, 2), { first: 8, count: 2 });
});

test('for every layout, frames and segments name each other', () => {
  for (const size of [1, 99, 100, 101, 1_023, 1_024, 1_025, 4_096]) {
    for (const frameSize of [7, 64, 100, 1_024]) {
      for (const segmentSize of [10, 64, 128, 2_000]) {
        const each: Layout = { size, frameSize, segmentSize };
        for (let segment = 0; segment < segmentCount(each); segment += 1) {
          const { first, count } = framesOfSegment(each, segment);
          assert.ok(first + count <= frameCount(each));
          for (let frame = first; frame < first + count; frame += 1) {
            const back = segmentsOfFrame(each, frame);
            assert.ok(segment >= back.first && segment < back.first + back.count);
          }
        }
      }
    }
  }
});

test('a frame must begin where one begins and be as long as it is due', () => {
  assert.equal(frameAt(layout, 0, 100), 0);
  assert.equal(frameAt(layout, 2_400, 100), 24);
  assert.equal(frameAt({ ...layout, size: 2_450 }, 2_400, 50), 24);
  assert.equal(frameAt(layout, 50, 100), 'misplaced');
  assert.equal(frameAt(layout, 2_500, 100), 'misplaced');
  assert.equal(frameAt(layout, -100, 100), 'misplaced');
  assert.equal(frameAt(layout, Number.NaN, 100), 'misplaced');
  assert.equal(frameAt(layout, 0, 99), 'wrong_length');
  assert.equal(frameAt(layout, 2_400, 101), 'wrong_length');
});
