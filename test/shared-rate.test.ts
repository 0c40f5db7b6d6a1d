/**
 * Many devices that share what a hub sends, in virtual time: the agent's own windows ask, pacers and budgets of the updater answer, and
 * what the devices had to ask is what a plan says, within 5 % of all that they send.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBitSet } from '../agent/src/transfer/bit-set.ts';
import { createFrameWindow } from '../agent/src/transfer/frame-window.ts';
import { createTransferCost } from '../backend/services/api/plans/transfer-cost.ts';
import { createReplicas, jobs, s1 } from '../backend/services/firmware-updater/testing/replicas.ts';

/** What a device sends for an update beside its requests: see `d2cOfUpdate` of the plan. */
const othersEach = 8;
const turnMs = 500;

/** How many requests so many devices make until each has its object of so many frames. */
async function requestsOf(devices: number, frames: number, replicas: number): Promise<number> {
  const together = createReplicas(s1);
  const pacers = Array.from({ length: replicas }, (_, index) => together.replica(`r${index}`).pacer);
  let state = 1;
  const random = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  const all = Array.from({ length: devices }, () => {
    const here = createBitSet(frames);
    return { here, window: createFrameWindow({ frames: here, random }) };
  });
  let requests = 0;
  let seen = 0;
  while (all.some(({ here }) => here.count < frames)) {
    for (; seen < together.sent.length; seen += 1) {
      const { id, atMs } = together.sent[seen] ?? assert.fail();
      const [device = 0, frame = 0] = id.slice(1).split('/').map(Number);
      all[device]?.here.add(frame);
      all[device]?.window.arrived(frame, atMs);
    }
    for (const [index, { window }] of all.entries()) {
      const request = window.next(together.passedMs());
      if (request === undefined) continue;
      requests += 1;
      const wanted = request.ranges.flatMap(({ first, count }) => jobs(`d${index}`, first, count));
      pacers[index % replicas]?.frames(`d${index}`, wanted);
    }
    await together.pass(turnMs);
    assert.ok(together.passedMs() < 86_400_000, `${together.sent.length} frames in a day`);
  }
  assert.equal(together.sent.length, devices * frames, 'no frame was sent twice');
  return requests;
}

for (const [devices, frames, replicas] of [
  [1, 100, 1],
  [10, 100, 1],
  [20, 60, 2],
  [40, 40, 2],
  [100, 20, 2],
] as const) {
  test(`${devices} devices with ${frames} frames each ask as often as the plan says`, async (t) => {
    const rate = 80;
    const cost = createTransferCost(1, (devices * 60_000) / rate)([frames], 'd');
    const predicted = devices * (cost.requests + othersEach);
    const actual = (await requestsOf(devices, frames, replicas)) + devices * othersEach;
    t.diagnostic(`${predicted} predicted, ${actual} sent`);
    assert.ok(Math.abs(predicted / actual - 1) <= 0.05, `${predicted} predicted, ${actual} sent`);
  });
}
