/** The parts of an answer that need no surroundings. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { DeviceToCloudSchema, FrameRequestSchema } from '@iotdh/proto/bus/v1';
import { systemClock } from '../../../shared/clock.ts';
import { silentLog } from '../../../shared/log.ts';
import { createRequestReader } from '../requests/read-request.ts';
import type { C2dMessage, SendOutcome } from '../sender/c2d-message.ts';
import { createAnswers } from './answers.ts';
import { createBlocks } from './blocks.ts';
import { frameNumbers } from './frame-numbers.ts';

const digest = 'ab'.repeat(32);

test('ranges and bitmaps name the same frames, no more than the window, each once', () => {
  const ranges = [
    { first: 3n, count: 2 },
    { first: 4n, count: 1_000_000 },
  ].map((range) => ({ $typeName: 'iotdh.bus.v1.FrameRange' as const, ...range }));
  const asRanges = {
    case: 'ranges' as const,
    value: { $typeName: 'iotdh.bus.v1.FrameRanges' as const, ranges },
  };
  assert.deepEqual(frameNumbers({ missing: asRanges, window: 4 }), [3, 4, 5, 6]);
  const bits = Uint8Array.of(0b0000_0011, 0b1000_0000);
  const asBitmap = { $typeName: 'iotdh.bus.v1.FrameBitmap' as const, first: 3n, bits };
  assert.deepEqual(frameNumbers({ missing: { case: 'bitmap', value: asBitmap }, window: 9 }), [3, 4, 18]);
  assert.deepEqual(frameNumbers({ missing: { case: 'bitmap', value: asBitmap }, window: 2 }), [3, 4]);
});

test('bytes are read across blocks, a block once for all who want it at the same time, and a failure is not kept', async () => {
  const object = Buffer.from(Array.from({ length: 25 }, (_, n) => n));
  const reads: number[] = [];
  let fails = 1;
  const blocks = createBlocks({
    blockBytes: 10,
    objects: {
      async read(_digest, offset, length) {
        reads.push(offset);
        if (fails > 0) {
          fails -= 1;
          throw new Error('away');
        }
        return object.subarray(offset, offset + length);
      },
    },
  });
  await assert.rejects(blocks.read(digest, 0, 5, 25), /away/);
  const [a, b] = await Promise.all([blocks.read(digest, 8, 4, 25), blocks.read(digest, 9, 3, 25)]);
  assert.deepEqual([...(a ?? [])], [8, 9, 10, 11]);
  assert.deepEqual([...(b ?? [])], [9, 10, 11]);
  assert.deepEqual([...((await blocks.read(digest, 18, 7, 25)) ?? [])], [18, 19, 20, 21, 22, 23, 24]);
  assert.deepEqual(reads, [0, 0, 10, 20]);
});

test('only so much is read ahead at once, however many ask', async () => {
  let reads = 0;
  const stored = Promise.withResolvers<Buffer>();
  const blocks = createBlocks({
    blockBytes: 10,
    objects: {
      read: () => {
        reads += 1;
        return stored.promise;
      },
    },
  });
  for (let offset = 0; offset < 1_000; offset += 10) blocks.readAhead(digest, offset, 1_000);
  assert.equal(reads, 8);
  stored.resolve(Buffer.alloc(10));
  await blocks.read(digest, 0, 5, 1_000);
  blocks.readAhead(digest, 500, 1_000);
  assert.equal(reads, 9);
});

test('a device that asks for ever new nonsense has only so many refusals waiting for it', async () => {
  const refusals: C2dMessage[] = [];
  const sent = Promise.withResolvers<SendOutcome>();
  const answer = createAnswers({
    transfers: { find: async () => undefined },
    contents: () => assert.fail('nothing is looked for'),
    metadataSize: () => assert.fail('nothing is looked for'),
    blocks: createBlocks({ objects: { read: async () => null } }),
    pacer: {
      refusal(message) {
        refusals.push(message);
        return sent.promise;
      },
      frames: () => 0,
      keepOnly() {},
    },
    budget: { framesFromMs: () => undefined },
    random: () => 0,
    progress: { report() {} },
    clock: systemClock,
    log: silentLog,
  });
  const ask = (byte: number, deviceId: string) =>
    answer(create(FrameRequestSchema, { transferId: 'none', objectDigest: new Uint8Array(32).fill(byte) }), {
      deviceId,
      traceParent: '',
    });
  for (let byte = 0; byte < 100; byte += 1) {
    assert.equal((await ask(byte, 'd1')).kind, 'refused');
  }
  await ask(0, 'd2');
  assert.deepEqual(
    refusals.map(({ deviceId }) => deviceId),
    ['d1', 'd1', 'd1', 'd1', 'd2'],
  );
  sent.resolve({ kind: 'sent' });
  await setImmediate();
  await ask(200, 'd1');
  assert.equal(refusals.length, 6);
});

test('an object that is shorter than its manifest says is an error, not a short frame', async () => {
  const blocks = createBlocks({ objects: { read: async () => Buffer.alloc(3) } });
  await assert.rejects(blocks.read(digest, 0, 5, 25), /3 bytes where 25/);
});

test('only requests are read; every truncation and every other kind is somebody else’s', () => {
  const read = createRequestReader();
  const transferId = '00000000-0000-4000-8000-000000000001';
  const missing = { case: 'bitmap' as const, value: { first: 0n, bits: Uint8Array.of(1) } };
  const request = create(FrameRequestSchema, {
    transferId,
    objectDigest: new Uint8Array(32),
    frameSize: 1_024,
    missing,
    window: 1,
  });
  const envelope = {
    version: 1,
    journalId: transferId,
    sequence: 1n,
    messageId: transferId,
    time: timestampFromMs(1),
  };
  const bytesOf = (payload: MessageInitShape<typeof DeviceToCloudSchema>['payload']): Uint8Array =>
    toBinary(DeviceToCloudSchema, create(DeviceToCloudSchema, { ...envelope, ...(payload && { payload }) }));
  const bytes = bytesOf({ case: 'frameRequest', value: request });
  const result = read(bytes);
  assert.equal(result.kind === 'request' && result.payload.case, 'frameRequest');
  for (let length = 0; length < bytes.length; length += 1) {
    assert.equal(read(bytes.slice(0, length)).kind, 'other');
  }
  assert.equal(read(bytesOf({ case: 'telemetry', value: {} })).kind, 'other');
});
