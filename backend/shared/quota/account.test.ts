import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limitsOf } from '../../../local-hub/src/engine/throttle-limits.ts';
import { readSettings } from '../settings.ts';
import {
  type Account,
  broughtUp,
  emptyAccount,
  frameUnitsLeft,
  type Grant,
  type Step,
  step,
} from './account.ts';
import { hubLimits, maxUnits, skus } from './hub-limits.ts';
import { allowanceOf, type HubPolicy, hubPolicyOf, hubShape } from './hub-settings.ts';

const s1: HubPolicy = {
  hub: { sku: 'S1', units: 1 },
  shares: { ratePercent: 80, dailyPercent: 50 },
  messagesPerMinute: null,
  frameUnitsPerDay: null,
};
const noon = new Date('2026-11-30T12:00:00Z');
const later = (ms: number, from = noon): Date => new Date(from.getTime() + ms);

/** A step of a replica that has spent nothing, or what is said. */
const taken = (replicaId: string, number: number, more: Partial<Step> = {}): Step => ({
  replicaId,
  step: number,
  policy: s1,
  left: { step: number - 1, messages: 0, frameUnits: 0 },
  sent: { commands: { messages: 0, units: 0 }, frames: { messages: 0, units: 0 } },
  waiting: { commands: 0, frames: 100 },
  unitsPerFrame: 15,
  refused: false,
  ...more,
});
const at = (now: Date, telemetryUnits = 0) => ({ now, telemetryUnits });
const full = (now: Date): Account => broughtUp(emptyAccount(later(-60_000, now)), allowanceOf(s1, null), now);

test('the table says the same as the one that the local hub enforces', () => {
  for (const sku of skus) {
    for (const units of [1, 2, 9, maxUnits[sku]]) {
      const { perSecond, dailyMessages, chunkBytes } = limitsOf({ sku, units });
      const ours = hubLimits({ sku, units });
      assert.ok(Math.abs(perSecond.c2dSend * 60 - ours.c2dPerMinute) < 1e-6);
      assert.deepEqual(
        [perSecond.d2cSend, dailyMessages, chunkBytes],
        [ours.d2cPerSecond, ours.unitsPerDay, 4_096],
      );
    }
    assert.throws(() => limitsOf({ sku, units: maxUnits[sku] + 1 }));
  }
});

test('the settings come to an allowance, and a hub that cannot be bought is refused at the start', () => {
  const of = (environment: Record<string, string>) => hubPolicyOf(readSettings(environment, hubShape));
  assert.deepEqual(allowanceOf(of({}), null), {
    messagesPerMinute: 80,
    frameUnitsPerDay: 200_000,
    unitsPerDay: 400_000,
  });
  assert.equal(allowanceOf(of({ IOTHUB_SKU: 'off' }), null).messagesPerMinute, Number.POSITIVE_INFINITY);
  const own = of({ C2D_PER_MINUTE: '7', FRAME_UNITS_PER_DAY: '9', IOTHUB_SKU: 'off' });
  assert.deepEqual(
    [allowanceOf(own, null).messagesPerMinute, allowanceOf(own, null).frameUnitsPerDay],
    [7, 9],
  );
  const set = allowanceOf(of({ C2D_PER_MINUTE: '7' }), { ratePercent: 20, dailyPercent: 10 });
  assert.deepEqual([set.messagesPerMinute, set.frameUnitsPerDay], [20, 40_000]);
  assert.throws(() => of({ IOTHUB_SKU: 'S3', IOTHUB_UNITS: '11' }), /IOTHUB_UNITS must be at most 10/);
  assert.throws(() => of({ C2D_SHARE_PERCENT: '0' }), /C2D_SHARE_PERCENT must be a whole number/);
});

test('an account that nobody had before begins empty, and fills at the allowed rate', () => {
  const { account, grant } = step(emptyAccount(noon), taken('a', 1), at(noon));
  assert.equal(grant.messages, 0);
  assert.ok(grant.againMs >= 50);
  const next = step(account, taken('a', 2), at(later(6_000)));
  assert.equal(next.grant.messages, 2, 'a slice of two seconds at 80 a minute');
  assert.equal(next.grant.frameUnits, 30);
  assert.equal(next.account.frames.units, 30);
});

test('what is left of a grant comes back once, whatever is repeated', () => {
  const first = step(full(noon), taken('a', 1), at(noon));
  assert.equal(first.account.frames.units, 30);
  const idle = { waiting: { commands: 0, frames: 0 } };
  const back = taken('a', 2, { ...idle, left: { step: 1, messages: 1, frameUnits: 15 } });
  const second = step(first.account, back, at(noon));
  assert.equal(second.account.frames.units, 15);
  // An older grant, as from a replica that was away for long, is nobody's any more.
  const third = step(second.account, taken('a', 3), at(noon)).account;
  const older = taken('a', 4, { ...idle, left: { step: 1, messages: 1, frameUnits: 15 } });
  assert.equal(step(third, older, at(noon)).account.frames.units, third.frames.units);
  const stale = taken('a', 3, { ...idle, left: { step: 1, messages: 1, frameUnits: 15 } });
  assert.equal(step(second.account, stale, at(noon)).account.frames.units, 15);
  const greedy = taken('b', 1, { ...idle, left: { step: 0, messages: 9, frameUnits: 900 } });
  assert.equal(step(second.account, greedy, at(noon)).account.frames.units, 15);
});

test('commands go before frames, also those of another replica', () => {
  const account = full(noon);
  const both = step(account, taken('a', 1, { waiting: { commands: 5, frames: 100 } }), at(noon));
  assert.ok(both.grant.messages >= 5);
  const starved = { ...account, tokens: 3 };
  const waiting = step(starved, taken('a', 1, { waiting: { commands: 9, frames: 0 } }), at(noon));
  assert.equal(waiting.grant.messages, 3);
  // Six messages more than the reserve have come since.
  const other = step(waiting.account, taken('b', 1), at(later(6_000)));
  assert.equal(other.grant.messages, 0, 'what has come since is for the commands that wait');
  const commands = step(
    other.account,
    taken('a', 2, { waiting: { commands: 2, frames: 0 } }),
    at(later(6_000)),
  );
  assert.equal(commands.grant.messages, 2);
});

test('frames leave room for commands that come unforeseen', () => {
  let account = full(noon);
  for (let n = 1; n < 20; n += 1) ({ account } = step(account, taken('a', n), at(noon)));
  assert.ok(account.tokens >= 2);
  const command = step(account, taken('b', 1, { waiting: { commands: 2, frames: 0 } }), at(noon));
  assert.equal(command.grant.messages, 2);
});

test('when the day’s share is used up frames wait for midnight UTC, and commands do not', () => {
  const account = { ...full(noon), frames: { messages: 13_333, units: 199_990 } };
  const { grant } = step(account, taken('a', 1, { waiting: { commands: 1, frames: 9 } }), at(noon));
  assert.deepEqual([grant.messages, grant.frameUnits], [1, 0]);
  assert.equal(grant.framesFromTime?.toISOString(), '2026-12-01T00:00:00.000Z');
  const midnight = new Date('2026-12-01T00:00:00Z');
  const next = step(account, taken('a', 1), at(midnight));
  assert.equal(next.grant.framesFromTime, null);
  assert.equal(next.account.day, '2026-12-01');
  assert.ok(next.grant.messages > 0);
});

test('what is set aside over midnight counts in the new day', () => {
  const { account } = step(
    full(later(-1_000, new Date('2026-12-01'))),
    taken('a', 1),
    at(new Date('2026-11-30T23:59:59Z')),
  );
  const next = broughtUp(account, allowanceOf(s1, null), new Date('2026-12-01T00:00:01Z'));
  assert.deepEqual(next.frames, { messages: 0, units: 30 });
});

test('telemetry that outgrows its part takes from frames', () => {
  const account = full(noon);
  const allowance = allowanceOf(s1, null);
  assert.equal(frameUnitsLeft(account, allowance, 0), 200_000);
  assert.equal(frameUnitsLeft(account, allowance, 300_000), 92_000);
  assert.equal(frameUnitsLeft(account, allowance, 400_000), 0);
});

test('a hub that refuses is left alone for an hour at most, by everybody', () => {
  const { account } = step(full(noon), taken('a', 1, { refused: true }), at(noon));
  const other = step(account, taken('b', 1), at(later(1_000)));
  assert.equal(other.grant.framesFromTime?.getTime(), later(3_600_000).getTime());
  assert.equal(step(account, taken('b', 1), at(later(3_600_001))).grant.framesFromTime, null);
});

test('shares that an operator sets hold from the next step on', () => {
  const account = { ...full(noon), shares: { ratePercent: 1, dailyPercent: 1 } };
  const { grant } = step(account, taken('a', 1), at(noon));
  assert.equal(grant.messages, 1);
  assert.equal(grant.frameUnits, 15);
  const used = { ...account, frames: { messages: 267, units: 4_000 } };
  assert.ok(step(used, taken('a', 1), at(noon)).grant.framesFromTime !== null);
});

test('a clock that goes back fills nothing twice, and begins no day again', () => {
  const after = new Date('2026-12-01T00:00:02Z');
  const { account } = step(emptyAccount(after), taken('a', 1), at(after));
  const before = step({ ...account, tokens: 0 }, taken('a', 2), at(new Date('2026-11-30T23:59:59Z')));
  assert.equal(before.account.day, '2026-12-01');
  assert.equal(before.account.tokens, 0);
  const again = step(before.account, taken('a', 3), at(later(1_000, after)));
  assert.ok(again.account.tokens + again.grant.messages < 2);
});

/** Park and Miller's generator, so that a failure can be had again. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

type Replica = { id: string; step: number; grant: Pick<Grant, 'messages' | 'frameUnits'>; waiting: number };

/**
 * Replicas at random: they ask, send, die with what they hold, and come back as others, over two days and with a share that
 * changes. Answers every instant at which a message was sent, and the units of frames by day.
 */
function simulate(seed: number) {
  const random = randomFrom(seed);
  const upTo = (most: number) => Math.floor(random() * (most + 1));
  // The share of the day is small, so that it is used up.
  const policy: HubPolicy = { ...s1, frameUnitsPerDay: 6_000 };
  let account = emptyAccount(new Date('2026-11-30T23:48:00Z'));
  let now = account.filledTime;
  let born = 0;
  const newReplica = (): Replica => {
    born += 1;
    return { id: `r${born}`, step: 0, grant: { messages: 0, frameUnits: 0 }, waiting: upTo(60) };
  };
  let replicas = [newReplica(), newReplica(), newReplica()];
  const sends: number[] = [];
  const frameUnits = new Map<string, number>();
  let commandsSent = 0;
  for (let turn = 0; turn < 2_500; turn += 1) {
    now = later(upTo(1_400), now);
    const replica = replicas[upTo(replicas.length - 1)] ?? assert.fail();
    if (random() < 0.01) replicas = replicas.map((one) => (one === replica ? newReplica() : one));
    if (random() < 0.3) replica.waiting += upTo(40);
    const sentCommands = random() < 0.05 && replica.grant.messages > 0 ? 1 : 0;
    let { messages, frameUnits: units } = replica.grant;
    messages -= sentCommands;
    const frames = Math.min(messages, Math.floor(units / 15), replica.waiting, upTo(4));
    messages -= frames;
    units -= frames * 15;
    replica.waiting -= frames;
    commandsSent += sentCommands;
    for (let n = 0; n < frames + sentCommands; n += 1) sends.push(now.getTime());
    const day = now.toISOString().slice(0, 10);
    frameUnits.set(day, (frameUnits.get(day) ?? 0) + frames * 15);
    replica.step += 1;
    const asked = taken(replica.id, replica.step, {
      policy,
      left: { step: replica.step - 1, messages, frameUnits: units },
      sent: {
        commands: { messages: sentCommands, units: sentCommands },
        frames: { messages: frames, units: 0 },
      },
      waiting: { commands: upTo(1), frames: replica.waiting },
    });
    const next = step(account, asked, at(now));
    account = next.account;
    replica.grant = next.grant;
    // What the account says is never less than what was sent.
    if (account.day === day) assert.ok(account.frames.units >= (frameUnits.get(day) ?? 0), `turn ${turn}`);
    assert.ok(account.tokens >= 0 && account.frames.units >= 0);
  }
  return { sends, frameUnits, commandsSent };
}

test('whoever asks, sends and dies: no minute has more than the share, and no day', () => {
  for (const seed of [1, 20_261_130, 77, 4_242]) {
    const { sends, frameUnits } = simulate(seed);
    assert.ok(sends.length > 300, `${sends.length} messages`);
    for (let from = 0, to = 0; to < sends.length; to += 1) {
      while ((sends[to] ?? 0) - (sends[from] ?? 0) >= 60_000) from += 1;
      // 80 a minute, what had been saved up, and what three replicas held.
      assert.ok(to - from + 1 <= 80 + 8 + 3 * 3, `seed ${seed}: ${to - from + 1} within a minute`);
    }
    for (const [day, units] of frameUnits)
      assert.ok(units <= 6_000, `seed ${seed}: ${units} units on ${day}`);
    assert.ok((frameUnits.get('2026-12-01') ?? 0) > 0, 'the new day has units of its own');
  }
});
