/**
 * The account of the hub's quota that all replicas of the firmware updater share, as one value and one pure step. A replica
 * sends nothing that it has not been granted; a grant counts as used from the moment it is made, and what was not used of it is
 * given back with the replica's next step. So a replica that dies leaves its last grant counted and unsent: the hub is asked for
 * less than it allows, never for more. Time is the database's; no clock of a replica counts.
 */
import { type Allowance, allowanceOf, type HubPolicy, type Shares } from './hub-settings.ts';

export type Use = { messages: number; units: number };

/** What one replica has set aside. Replaced by each of its steps. */
export type Lease = {
  replicaId: string;
  /** Of the step that made it: a step that is repeated, because nobody knows whether it was written, finds itself here. */
  step: number;
  messages: number;
  frameUnits: number;
  waitingCommands: number;
  waitingFrames: number;
  time: Date;
  /** When frames were granted last. Null: never. */
  framesTime: Date | null;
  hub: HubPolicy['hub'];
};

export type Account = {
  /** The hub's day, `YYYY-MM-DD` in UTC. */
  day: string;
  /** What may go now, over all replicas: a bucket that fills at the allowed rate. */
  tokens: number;
  /** When the bucket was filled last. */
  filledTime: Date;
  commands: Use;
  /** Messages that were sent, and units of what was sent or is set aside. */
  frames: Use;
  /** Of the first frame of the day. */
  firstFrameTime: Date | null;
  /** Set by an operator. Null: what the settings say. */
  shares: Shares | null;
  /** The hub itself refuses until then. */
  refusedUntilTime: Date | null;
  leases: Lease[];
};

export type Step = {
  replicaId: string;
  step: number;
  policy: HubPolicy;
  /** Of the grant before this one: the step that made it, and what is left of it. */
  left: { step: number; messages: number; frameUnits: number };
  /** What was sent since. The units of frames only where there is no grant that counts them, because there is no limit. */
  sent: { commands: Use; frames: Use };
  waiting: { commands: number; frames: number };
  /** Of a frame. */
  unitsPerFrame: number;
  /** The hub has refused a message because its day is used up. */
  refused: boolean;
};

export type Grant = {
  messages: number;
  frameUnits: number;
  /** When to ask again for what was not granted, ms. */
  againMs: number;
  /** No frame before then: the day's share is used up, or the hub refuses. Null: frames may go. */
  framesFromTime: Date | null;
};

const dayMs = 86_400_000;
/** What may go at once after a pause, as time at the allowed rate. Far below the minute that IoT Hub averages over. */
const burstMs = 6_000;
/** Of the bucket, frames leave so much for commands, which therefore hardly ever wait. */
const commandReserve = 0.25;
/** How much a replica is granted at once, as time at its part of the rate. */
const sliceMs = 2_000;
/** Who was heard of within this time counts as waiting still. */
const freshMs = 10_000;
/** Who was not heard of for so long is gone, with what it had set aside. */
const forgottenAfterMs = 60_000;
/** Of the hub's day, kept for commands and for telemetry that came since it was counted. */
const dayReserve = 0.02;
/** Units may be added to a hub at any time, so after a refusal it is tried again within the hour. */
const tryAgainMs = 3_600_000;
/** How far a clock may go back, as when another server of the database takes over, before it is believed. */
const clockToleranceMs = 5_000;
const shortestWaitMs = 50;
const longestWaitMs = 5_000;

export const dayOf = (time: Date): string => time.toISOString().slice(0, 10);
export const endOfDay = (time: Date): Date => new Date((Math.floor(time.getTime() / dayMs) + 1) * dayMs);
/** Also where the clock went back over midnight. */
const endOfAccount = ({ day }: Account): Date => new Date(Date.parse(day) + dayMs);
const nothing = (): Use => ({ messages: 0, units: 0 });
const plus = (a: Use, b: Use): Use => ({ messages: a.messages + b.messages, units: a.units + b.units });

export const capacityOf = ({ messagesPerMinute }: Allowance): number =>
  Math.max(4, (messagesPerMinute * burstMs) / 60_000);

export function emptyAccount(now: Date): Account {
  return {
    day: dayOf(now),
    // Whoever makes the account does not know what was sent before it.
    tokens: 0,
    filledTime: now,
    commands: nothing(),
    frames: nothing(),
    firstFrameTime: null,
    shares: null,
    refusedUntilTime: null,
    leases: [],
  };
}

/** The account as it is at this time: a new day, a fuller bucket, without those who are gone. */
export function broughtUp(account: Account, allowance: Allowance, now: Date): Account {
  const leases = account.leases.filter(({ time }) => now.getTime() - time.getTime() < forgottenAfterMs);
  const passedMs = now.getTime() - account.filledTime.getTime();
  const isBack = passedMs < -clockToleranceMs;
  const perMs = allowance.messagesPerMinute / 60_000;
  const filled = Number.isFinite(perMs) ? account.tokens + Math.max(0, passedMs) * perMs : 0;
  const next: Account = {
    ...account,
    leases,
    tokens: Math.min(filled, capacityOf(allowance)),
    filledTime: passedMs > 0 || isBack ? now : account.filledTime,
    refusedUntilTime:
      account.refusedUntilTime !== null && account.refusedUntilTime > now ? account.refusedUntilTime : null,
  };
  const day = dayOf(now);
  // A day that has been begun is not begun again by a clock that went back over midnight.
  if (day <= account.day) return next;
  // What is set aside may be sent in the new day, so it counts there.
  const frames = { messages: 0, units: leases.reduce((sum, { frameUnits }) => sum + frameUnits, 0) };
  return { ...next, day, commands: nothing(), frames, firstFrameTime: null, refusedUntilTime: null };
}

/** Units that frames may still have today, beside what is set aside. */
export function frameUnitsLeft(account: Account, allowance: Allowance, telemetryUnits: number): number {
  const { unitsPerDay, frameUnitsPerDay } = allowance;
  const ofShare = frameUnitsPerDay - account.frames.units;
  // Telemetry that outgrows its part takes from frames, never the other way round.
  const ofDay =
    unitsPerDay * (1 - dayReserve) - account.frames.units - account.commands.units - telemetryUnits;
  return Math.max(0, Math.floor(Math.min(ofShare, ofDay)));
}

/** Gives back what is left of a grant, and counts what was sent. */
function settled(account: Account, { replicaId, left, sent, refused }: Step, now: Date): Account {
  const before = account.leases.find((lease) => lease.replicaId === replicaId);
  // Whoever was forgotten meanwhile has nothing to give back: its grant has long counted as used.
  const isMine = before !== undefined && before.step === left.step;
  const messages = isMine ? Math.min(left.messages, before.messages) : 0;
  const units = isMine ? Math.min(left.frameUnits, before.frameUnits) : 0;
  const back = { messages: 0, units: -units };
  const refusedUntilTime = refused
    ? new Date(Math.min(endOfDay(now).getTime(), now.getTime() + tryAgainMs))
    : account.refusedUntilTime;
  return {
    ...account,
    tokens: account.tokens + messages,
    commands: plus(account.commands, sent.commands),
    frames: plus(plus(account.frames, sent.frames), back),
    refusedUntilTime,
    leases: account.leases.filter((lease) => lease.replicaId !== replicaId),
  };
}

/** One step of a replica: what is left of its last grant comes back, and it gets the next one. */
export function step(
  given: Account,
  taken: Step,
  surroundings: { now: Date; telemetryUnits: number },
): { account: Account; grant: Grant } {
  const { now, telemetryUnits } = surroundings;
  const { policy, waiting, unitsPerFrame, replicaId } = taken;
  const allowance = allowanceOf(policy, given.shares);
  const account = settled(broughtUp(given, allowance, now), taken, now);
  const capacity = capacityOf(allowance);
  account.tokens = Math.min(account.tokens, capacity);
  const framesTime = given.leases.find((one) => one.replicaId === replicaId)?.framesTime ?? null;
  const lease = (messages: number, frameUnits: number): Lease => ({
    ...{ replicaId, step: taken.step, messages, frameUnits, time: now, hub: policy.hub },
    framesTime: frameUnits > 0 ? now : framesTime,
    ...{ waitingCommands: waiting.commands, waitingFrames: waiting.frames },
  });
  const unitsLeft = frameUnitsLeft(account, allowance, telemetryUnits);
  const framesFromTime =
    account.refusedUntilTime ?? (unitsLeft < unitsPerFrame ? endOfAccount(account) : null);
  const unlimited = !Number.isFinite(allowance.messagesPerMinute);
  if (unlimited && !Number.isFinite(allowance.frameUnitsPerDay)) {
    account.leases.push(lease(0, 0));
    return { account, grant: { messages: 0, frameUnits: 0, againMs: longestWaitMs, framesFromTime } };
  }

  const others = account.leases.filter(({ time }) => now.getTime() - time.getTime() < freshMs);
  const active = 1 + others.filter((one) => one.waitingCommands + one.waitingFrames > 0).length;
  // Who has waited longer for frames goes first, or the one that happens to ask in time would have them all.
  const ahead = others.filter(
    (one) => one.waitingFrames > 0 && (one.framesTime?.getTime() ?? 0) < (framesTime?.getTime() ?? 0),
  ).length;
  const elsewhere = others.reduce((sum, { waitingCommands }) => sum + waitingCommands, 0);
  const tokens = unlimited ? Number.POSITIVE_INFINITY : account.tokens;
  const commands = Math.min(waiting.commands, Math.floor(tokens));
  const slice = Math.max(1, Math.floor((allowance.messagesPerMinute * sliceMs) / 60_000 / active));
  const reserve = unlimited ? 0 : capacity * commandReserve;
  const frames =
    framesFromTime !== null
      ? 0
      : Math.max(
          0,
          Math.min(
            waiting.frames,
            slice,
            Math.floor(tokens - commands - reserve - elsewhere - ahead),
            Math.floor(unitsLeft / unitsPerFrame),
          ),
        );
  const frameUnits = frames * unitsPerFrame;
  if (!unlimited) account.tokens -= commands + frames;
  account.frames = plus(account.frames, { messages: 0, units: frameUnits });
  if (frames > 0) account.firstFrameTime ??= now;
  account.leases.push(lease(commands + frames, frameUnits));

  const needed =
    waiting.commands > commands
      ? 1
      : Math.min(capacity, reserve + Math.max(active, Math.min(elsewhere, capacity)));
  const againMs = unlimited ? 0 : ((needed - account.tokens) * 60_000) / allowance.messagesPerMinute;
  return {
    account,
    grant: {
      messages: commands + frames,
      frameUnits,
      againMs: Math.min(longestWaitMs, Math.max(shortestWaitMs, Math.ceil(againMs))),
      framesFromTime,
    },
  };
}
