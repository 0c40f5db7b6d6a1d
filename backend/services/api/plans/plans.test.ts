/** The parts of a prediction that need no surroundings. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { ObjectSchema } from '@iotdh/proto/update/v1';
import { frameBytes, frameSize } from '../../../shared/messages/frame.ts';
import { finishOf } from '../../../shared/quota/finish-time.ts';
import { allowanceOf, type Shares } from '../../../shared/quota/hub-settings.ts';
import { c2dUnits, createFrameUnits } from '../../../shared/quota/metered.ts';
import { freshDuration, hubChoices } from './hub-choice.ts';
import { createTransferCost, requestsBeforeFirst, requestsFor } from './transfer-cost.ts';
import { costOf, sharesByChoice } from './update-cost.ts';

const dayMs = 86_400_000;
const all: Shares = { ratePercent: 100, dailyPercent: 100 };
const s1 = allowanceOf(
  { hub: { sku: 'S1', units: 1 }, shares: all, messagesPerMinute: null, frameUnitsPerDay: null },
  null,
);

test('a frame fills fifteen units, and the largest that the contract has would begin a sixteenth', () => {
  const unitsOf = createFrameUnits();
  const longestId = 'd'.repeat(128);
  assert.equal(unitsOf(frameSize, longestId), 15);
  assert.equal(unitsOf(frameSize, 'd'), 15);
  assert.equal(unitsOf(61_440, 'd'), 16);
  assert.ok(frameSize > 61_440 * 0.99);
});

test('the units of a frame are those of the message that is sent, on either side of each unit’s edge', () => {
  const unitsOf = createFrameUnits();
  const id = '00000000-0000-4000-8000-000000000000';
  const envelope = {
    ...{ messageId: id, nowMs: 1_700_000_000_123 },
    traceParent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
  };
  const sentUnits = (dataBytes: number): number => {
    const at = { transferId: id, objectDigest: new Uint8Array(32), offset: 2 ** 40 };
    return c2dUnits(frameBytes(envelope, { ...at, data: new Uint8Array(dataBytes) }).length, 'ws-1');
  };
  for (let units = 1; units <= 15; units += 1) {
    let [most, over] = [0, frameSize];
    while (over - most > 1) {
      const middle = (most + over) >> 1;
      if (sentUnits(middle) <= units) most = middle;
      else over = middle;
    }
    for (const bytes of [most - 1, most, over])
      assert.equal(unitsOf(bytes, 'ws-1'), sentUnits(bytes), `${bytes} bytes`);
  }
});

test('a device asks for a window at first, and for a quarter of one each time so much has come', () => {
  const requests = [0, 1, 32, 33, 48, 49, 64, 352].map((frames) => requestsFor(frames));
  assert.deepEqual(requests, [0, 1, 1, 2, 3, 4, 5, 41]);
});

test('a device that waits for its turn among others asks again every two minutes or so', () => {
  assert.deepEqual(
    [0, 7_500, 15_000, 30_000, 75_000, 750_000].map((gapMs) => requestsFor(100, gapMs)),
    [10, 11, 13, 23, 56, 551],
  );
  assert.deepEqual(
    [1, 8, 33].map((frames) => requestsFor(frames, 10_000)),
    [1, 1, 3],
  );
  assert.deepEqual([0, 10_000, 22_500, 75_000].map(requestsBeforeFirst), [0, 0, 0.5, 1.4]);
  assert.equal(createTransferCost(1_000, 75_000)([1_000, 1_000], 'd').requests, 3.4);
});

test('objects are counted one by one: each has a last frame and requests of its own', () => {
  const costOf = createTransferCost(1_000);
  const cost = costOf([2_500, 1_000, 0, 1], 'd');
  assert.deepEqual(cost, { frames: 3 + 1 + 1, frameUnits: 5, requests: 3 });
});

test('what a device is brought is added up once for all ids of a length, however many devices there are', () => {
  const devices = Array.from({ length: 1_000 }, (_, index) => ({
    deviceId: `ws-${index}`,
    ...{ inventoryBytes: 100 + index, hasHttps: false },
  }));
  const sizes = [2_500_000, 70_000, 0];
  const count = createTransferCost(frameSize);
  let counted = 0;
  const cost = costOf([{ devices, bytes: 2_570_000, onBus: sizes }], (some, deviceId) => {
    counted += 1;
    return count(some, deviceId);
  });
  assert.equal(counted, 3);
  const each = devices.map(({ deviceId }) => count(sizes, deviceId));
  assert.equal(
    cost.frameUnits,
    each.reduce((sum, { frameUnits }) => sum + frameUnits, 0),
  );
  assert.equal(cost.frames, 44_000);
  assert.equal(cost.objectBytes, 2_570_000_000);
});

test('devices that choose take large files and large updates over HTTPS, each by what it is brought itself', () => {
  const object = (size: number) => create(ObjectSchema, { size: BigInt(size), segmentSize: 1_048_576 });
  const group = (lack: number, have: number) => ({
    ...{ base: '', contents: new Set<string>() },
    devices: Array.from({ length: lack + have }, (_, index) => ({
      ...{ deviceId: `d${index}`, inventoryBytes: 0, hasHttps: index >= lack },
    })),
  });
  const chosen = [
    { group: group(1, 2), objects: [object(5_000_000), object(4_000_000)], lists: [100_000, 500] },
    { group: group(0, 3), objects: [object(70_000)], lists: [] },
  ];
  const { shares, httpsDevices, devicesWithoutHttps } = sharesByChoice(chosen, [1_048_576, 2_000]);
  assert.deepEqual([httpsDevices, devicesWithoutHttps], [2, 1]);
  const framesOf = shares.map(({ devices, onBus }) => [
    devices.length,
    createTransferCost(frameSize)(onBus, 'd').frames,
  ]);
  assert.deepEqual(framesOf, [
    [2, 2],
    [1, 83 + 66 + 18 + 1 + 2 + 1],
    [3, 1 + 2],
    [0, 18 + 1 + 2],
  ]);
});

test('what fits the day is done at the rate; what does not waits for the next', () => {
  const morning = { leftMs: dayMs / 2, frameUnits: 400_000 };
  assert.deepEqual(finishOf({ messages: 100, frameUnits: 1_500 }, s1, morning), {
    bound: 'rate',
    durationMs: 60_000,
  });
  // 40,000 frames are 600,000 units: one day's, and half of the next one's.
  const two = finishOf({ messages: 40_000, frameUnits: 600_000 }, s1, morning);
  assert.ok(two.bound === 'daily_quota');
  assert.ok(Math.abs(two.durationMs - (dayMs / 2 + (13_333 * 60_000) / 100)) < 60_000);
  const usedUp = finishOf({ messages: 1, frameUnits: 15 }, s1, { leftMs: 1_000, frameUnits: 0 });
  assert.deepEqual(usedUp, { bound: 'daily_quota', durationMs: 1_000 + 600 });
  const none = allowanceOf({ hub: null, shares: all, messagesPerMinute: null, frameUnitsPerDay: null }, null);
  assert.deepEqual(finishOf({ messages: 9, frameUnits: 9 }, none, morning), { bound: 'none' });
  const never = finishOf(
    { messages: 9, frameUnits: 9 },
    { ...s1, frameUnitsPerDay: 0 },
    { leftMs: 1, frameUnits: 0 },
  );
  assert.ok(never.bound === 'daily_quota' && never.durationMs === Number.POSITIVE_INFINITY);
});

test('a finish is never earlier with more to send, less to send with, or less left today', () => {
  let state = 7;
  const random = () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
  const durationOf = (finish: ReturnType<typeof finishOf>): number =>
    finish.bound === 'none' ? 0 : finish.durationMs;
  for (let round = 0; round < 2_000; round += 1) {
    const messages = 1 + Math.floor(random() * 200_000);
    const work = { messages, frameUnits: Math.floor(messages * 15 * random()) };
    const today = { leftMs: random() * dayMs, frameUnits: Math.floor(random() * 400_000) };
    const duration = durationOf(finishOf(work, s1, today));
    const slack = 1e-6 * duration + 1;
    assert.ok(duration * 100 >= messages * 60_000 - slack, 'never faster than the rate');
    const more = durationOf(
      finishOf({ ...work, messages: messages + 100, frameUnits: work.frameUnits + 1_500 }, s1, today),
    );
    assert.ok(more >= duration - slack, `round ${round}: more is done in ${more} instead of ${duration}`);
    const less = durationOf(finishOf(work, s1, { ...today, frameUnits: 0 }));
    assert.ok(less >= duration - slack);
  }
});

test('the example: 200 MiB to a thousand devices takes an S1 unit four months, and larger hubs are named', () => {
  const bytes = 200 * 1024 * 1024;
  const { frames, frameUnits } = createTransferCost(frameSize)([bytes], 'ws-0001');
  const work = { messages: frames * 1_000, frameUnits: frameUnits * 1_000 };
  const days = freshDuration(work, { sku: 'S1', units: 1 }, all) / dayMs;
  assert.ok(days > 128 && days < 131, `${days} days`);
  const choices = hubChoices(work, all, 7 * dayMs);
  const [first] = choices;
  assert.deepEqual(new Set(choices.map(({ hub }) => hub.sku)), new Set(['S1', 'S2', 'S3']));
  for (const { hub, durationMs } of choices) {
    assert.ok(durationMs <= 7 * dayMs);
    if (hub.units > 1) assert.ok(freshDuration(work, { ...hub, units: hub.units - 1 }, all) > 7 * dayMs);
  }
  assert.equal(first?.hub.sku, 'S1');
});
