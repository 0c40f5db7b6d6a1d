/** When a plan says that the frames are with the devices, beside when pacers and budgets have sent them, in virtual time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptyAccount, endOfDay, frameUnitsLeft } from '../../../shared/quota/account.ts';
import { finishOf } from '../../../shared/quota/finish-time.ts';
import { allowanceOf, type HubPolicy } from '../../../shared/quota/hub-settings.ts';
import { createReplicas, jobs, s1, startMs } from '../testing/replicas.ts';

const unitsPerFrame = 15;
/** As many as a device has on its way at most. */
const window = 32;
const turnMs = 5_000;

type Case = { policy: HubPolicy; replicas: number; devices: number; framesEach: number };

/** How long it took until the last frame was sent, to devices that ask for the next frames whenever they have some. */
async function sendAll({ policy, replicas, devices, framesEach }: Case): Promise<number> {
  const together = createReplicas(policy);
  const pacers = Array.from({ length: replicas }, (_, index) => together.replica(`r${index}`).pacer);
  const told: number[] = [];
  const sentTo = new Map<string, number>();
  let counted = 0;
  while (together.sent.length < devices * framesEach) {
    for (; counted < together.sent.length; counted += 1) {
      const [device = ''] = together.sent[counted]?.id.split('/') ?? [];
      sentTo.set(device, (sentTo.get(device) ?? 0) + 1);
    }
    // Whoever was told that the day is used up comes back when it is over.
    const backMs = (told.at(-1) ?? 0) - startMs;
    if (together.passedMs() < backMs) {
      await together.pass(backMs - together.passedMs());
      continue;
    }
    for (let device = 0; device < devices; device += 1) {
      const from = sentTo.get(`d${device}`) ?? 0;
      const count = Math.min(window, framesEach - from);
      pacers[device % replicas]?.frames(`d${device}`, jobs(`d${device}`, from, count, told));
    }
    await together.pass(turnMs);
    assert.ok(together.passedMs() < 14 * 86_400_000, `${together.sent.length} frames in two weeks`);
  }
  const ids = new Set(together.sent.map(({ id }) => id));
  assert.equal(ids.size, together.sent.length, 'no frame was sent twice');
  return together.sent.at(-1)?.atMs ?? Number.NaN;
}

const ofUnits = (units: number): HubPolicy => ({ ...s1, hub: { sku: 'S1', units } });
const cases: Record<string, Case> = {
  'one device, one replica': { policy: s1, replicas: 1, devices: 1, framesEach: 400 },
  'many devices, three replicas': { policy: s1, replicas: 3, devices: 40, framesEach: 25 },
  'a hub of five units': { policy: ofUnits(5), replicas: 2, devices: 100, framesEach: 40 },
  'a rate of its own': { policy: { ...s1, messagesPerMinute: 7 }, replicas: 2, devices: 5, framesEach: 20 },
  'a share of the day that is used up on two days': {
    ...{ policy: { ...s1, frameUnitsPerDay: 15_000 }, replicas: 2, devices: 100, framesEach: 25 },
  },
};

for (const [name, each] of Object.entries(cases)) {
  test(`frames are with the devices when the plan says: ${name}`, async (t) => {
    const { policy, devices, framesEach } = each;
    const allowance = allowanceOf(policy, null);
    const now = new Date(startMs);
    const today = {
      leftMs: endOfDay(now).getTime() - startMs,
      frameUnits: frameUnitsLeft(emptyAccount(now), allowance, 0),
    };
    const messages = devices * framesEach;
    const predicted = finishOf({ messages, frameUnits: messages * unitsPerFrame }, allowance, today);
    assert.ok(predicted.bound !== 'none');
    const actualMs = await sendAll(each);
    const off = predicted.durationMs / actualMs - 1;
    t.diagnostic(`${predicted.durationMs / 1_000} s predicted, ${actualMs / 1_000} s needed`);
    assert.ok(Math.abs(off) <= 0.05, `the prediction is off by ${(100 * off).toFixed(1)} %`);
  });
}
