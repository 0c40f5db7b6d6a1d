import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { maxSegments } from '@iotdh/proto/objects';
import { SegmentListSchema } from '@iotdh/proto/update/v1';
import { readSegmentList } from './segment-list.ts';

test('the digests of a list are read in place, and what is not a list of so many is none', () => {
  const digests = Array.from({ length: 300 }, () => new Uint8Array(randomBytes(32)));
  const bytes = toBinary(SegmentListSchema, create(SegmentListSchema, { digests }));
  const list = readSegmentList(bytes, 300);
  assert.equal(list?.length, 300);
  assert.deepEqual(
    digests.map((_, segment) => list.at(segment)),
    digests,
  );
  const spoilt = (change: (copy: Uint8Array) => void) => {
    const copy = Uint8Array.from(bytes);
    change(copy);
    return readSegmentList(copy, 300);
  };
  assert.equal(readSegmentList(bytes, 299), null);
  assert.equal(readSegmentList(bytes.subarray(1), 300), null);
  assert.equal(
    spoilt((copy) => copy.set([0x12], 34)),
    null,
    'another field',
  );
  assert.equal(
    spoilt((copy) => copy.set([31], 35)),
    null,
    'another length',
  );
  const uneven = digests.with(0, new Uint8Array(31)).with(1, new Uint8Array(33));
  assert.equal(
    readSegmentList(toBinary(SegmentListSchema, create(SegmentListSchema, { digests: uneven })), 300),
    null,
  );
});

test('a list at its limit takes its own bytes, and nothing for each segment', () => {
  const bytes = Buffer.alloc(maxSegments * 34, Buffer.from([0x0a, 32, ...randomBytes(32)]));
  const before = process.memoryUsage();
  const list = readSegmentList(bytes, maxSegments);
  const after = process.memoryUsage();
  assert.equal(list?.length, maxSegments);
  assert.ok(
    after.heapUsed - before.heapUsed < 1_000_000,
    `${after.heapUsed - before.heapUsed} bytes of heap`,
  );
  assert.ok(after.arrayBuffers - before.arrayBuffers < 1_000_000);
});
