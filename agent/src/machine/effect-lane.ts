/**
 * Executes the effects that the journal owes: one at a time, in the order in which they were decided on, each attempt
 * counted before it begins, each end written before the next begins.
 */
import { setImmediate } from 'node:timers/promises';
import type {
  ActivityResult,
  Effect,
  EffectContext,
  Failed,
  Later,
  Ports,
  Report,
  StepResult,
} from './effect.ts';
import type { ResultEvent } from './event.ts';
import type { OnFailPoint } from './fail-point.ts';
import type { Entry, Journal, PendingEffect } from './journal.ts';
import { firstOwed } from './lane-order.ts';
import type { Answer } from './machine.ts';

/** What people should know of, beyond the state changes. `id` is the effect's, as its port knows it. */
export type Finding =
  | { kind: 'effect_failed'; effect: Effect['kind']; id: string; attempt: number; reason: string }
  | { kind: 'effect_given_up'; effect: Effect['kind']; id: string; attempts: number }
  | { kind: 'effect_abandoned'; effect: Effect['kind']; id: string }
  /** What could not be written, and will be tried again. */
  | { kind: 'disk_full'; what: string }
  | { kind: 'disk_unreadable'; reason: string };

export type LaneOptions = {
  journal: Journal;
  ports: Ports;
  /** Takes an activity's result. */
  accept: (event: ResultEvent) => Answer;
  sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  onFinding: (finding: Finding) => void;
  maxAttempts: number;
  backoffMs: (attempt: number) => number;
  graceMs: number;
  onFailPoint: OnFailPoint | undefined;
};

export type EffectLane = {
  start(): void;
  stop(): Promise<void>;
  readonly stopped: Promise<void>;
  /** Says that the journal may owe other effects than before. */
  notice(): void;
};

/** How many effects stay set aside; the oldest make room. */
const maxSetAside = 64;
/** What was set aside is tried once more at each start, and whenever this has passed. */
export const setAsideMs = 3_600_000;
/** A base that cannot be taken back may restart the machine each time: from one minute on, twice as long each time. */
const takeBackMs = (tries: number) => Math.min(60_000 * 2 ** (tries - 1), 15 * 60_000);
/** Longer reasons are cut: a port may pass on an installer's output. */
const maxReasonLength = 1000;

/** Whether an attempt cannot take the machine down: its count need not survive a power cut, for it breaks no loop. */
const isHarmless = ({ kind }: Effect) => kind === 'ask_assignment' || kind === 'stop_transfer';

export function createEffectLane(options: LaneOptions): EffectLane {
  const { journal, ports, accept, sleep, onFinding, maxAttempts, backoffMs, graceMs, onFailPoint } = options;
  const stopped = Promise.withResolvers<void>();
  let started = false;
  let stopping = false;
  const ending = new AbortController();
  /** Whether what was set aside is to be tried again. */
  let isDue = false;
  /** How often in a row there was no room to tell; `canTell` says whether it is worth another look. */
  let untold = 0;
  let canTell = true;
  let running: { pending: PendingEffect; abort: AbortController } | null = null;
  let rise = () => {};

  const nameOf = ({ id, effect }: PendingEffect) => ({ effect: effect.kind, id: `${journal.id}.${id}` });
  const isOwed = ({ id }: PendingEffect) => journal.effects().some((pending) => pending.id === id);

  async function live(): Promise<void> {
    void remind();
    while (!stopping) {
      if (isDue) takeUp();
      const pending = firstOwed(journal.effects(), canTell);
      if (pending === undefined) {
        await new Promise<void>((resolve) => {
          rise = resolve;
        });
        // Whoever raised the event gets the answer first: an effect begins with writing to the disk.
        await setImmediate();
        continue;
      }
      const abort = new AbortController();
      running = { pending, abort };
      await perform(pending, abort.signal);
      running = null;
    }
  }

  async function remind(): Promise<void> {
    while (!stopping) {
      isDue = true;
      rise();
      await sleep(setAsideMs, ending.signal);
    }
  }

  /** One attempt each: what takes the process down with it is set aside again at the next start. */
  function takeUp(): void {
    isDue = false;
    const aside = journal.effects().filter(({ setAside }) => setAside);
    const update = aside.map((one) => ({ ...one, attempts: maxAttempts - 1, setAside: false }));
    if (update.length > 0) journal.write({ update });
  }

  async function perform(pending: PendingEffect, signal: AbortSignal): Promise<void> {
    const { effect, attempts } = pending;
    if (attempts >= maxAttempts) {
      if (effect.kind !== 'arm_slot') return giveUp(pending, signal);
      if (attempts === maxAttempts) onFinding({ kind: 'effect_given_up', ...nameOf(pending), attempts });
      else await sleep(takeBackMs(attempts - maxAttempts), signal);
      if (signal.aborted) return;
    }
    const begun = { ...pending, attempts: attempts + 1 };
    const counted = { update: [begun], canWait: isHarmless(effect) };
    if (!(await write(counted, `the attempt at ${effect.kind}`, signal))) return;

    onFailPoint?.('before_effect', effect.kind);
    const result = await execute(begun, signal);
    if (running?.pending !== pending) return;
    onFailPoint?.('after_effect', effect.kind);

    if (!isOwed(begun)) return;
    // An effect whose end is lost is executed again with the same id, as after any crash before its end was written.
    const end = { drop: [begun.id], canWait: isHarmless(effect) };
    if (effect.kind === 'report' && result.kind !== 'later') untold = 0;
    if (result.kind === 'done') await write(end, `the end of ${effect.kind}`, signal);
    else if (result.kind === 'failed') await failed(begun, result, signal);
    else if (result.kind === 'later') later(begun, result);
    else await settle(begun, result.event, signal);
  }

  async function execute(
    begun: PendingEffect,
    signal: AbortSignal,
  ): Promise<StepResult | Later | ActivityResult> {
    const { effect } = begun;
    const givenUp = begun.attempts > maxAttempts;
    const context: EffectContext = {
      id: nameOf(begun).id,
      attempt: begun.attempts,
      givenUp,
      signal,
      progress() {
        if (begun.attempts === 1 || givenUp || signal.aborted) return;
        const { kind } = journal.write({ update: [{ ...begun, attempts: 1 }] });
        if (kind === 'recorded') begun.attempts = 1;
      },
    };
    // The port of an effect's own kind takes that effect, which the type of an indexed access cannot say.
    const port = ports[effect.kind] as (
      e: Effect,
      c: EffectContext,
    ) => Promise<StepResult | Later | ActivityResult>;
    try {
      return await port(effect, context);
    } catch (error) {
      return { kind: 'failed', reason: error instanceof Error ? error.message : String(error) };
    }
  }

  const uncount = (begun: PendingEffect) =>
    journal.write({ update: [{ ...begun, attempts: begun.attempts - 1 }] });

  /** Waits before the next attempt. An attempt that a clean stop cut short is not counted, unless it asked for the stop. */
  async function failed(
    begun: PendingEffect,
    { reason, restarting }: Omit<Failed, 'kind'>,
    signal: AbortSignal,
  ): Promise<void> {
    if (stopping) {
      if (restarting !== true) uncount(begun);
      return;
    }
    const attempt = begun.attempts;
    onFinding({ kind: 'effect_failed', ...nameOf(begun), attempt, reason: reason.slice(0, maxReasonLength) });
    await sleep(backoffMs(attempt), signal);
  }

  /** Looks again after a while; meanwhile the lane goes on with what need not wait for it. */
  function later(begun: PendingEffect, { reason }: Later): void {
    uncount(begun);
    untold += 1;
    canTell = false;
    if (untold === 1) onFinding({ kind: 'disk_full', what: `${begun.effect.kind}: ${reason}` });
    void sleep(backoffMs(untold), ending.signal).then(() => {
      canTell = true;
      rise();
    });
  }

  /** Hands an activity's result to the machine. */
  async function settle(begun: PendingEffect, event: ResultEvent, signal: AbortSignal): Promise<void> {
    const bounded = 'reason' in event ? { ...event, reason: event.reason.slice(0, maxReasonLength) } : event;
    const answer = await untilRecorded(() => accept(bounded), `the result of ${begun.effect.kind}`, signal);
    if (answer?.kind === 'refused')
      await failed(begun, { reason: `${event.type} was refused: ${answer.reason}` }, signal);
  }

  /**
   * Ends a loop. A patch that cannot be brought to an end has failed, and the base takes its place; a base is taken back by
   * its `arm_slot`; anything else is set aside, and the cloud is told.
   */
  async function giveUp(pending: PendingEffect, signal: AbortSignal): Promise<void> {
    const { effect, attempts } = pending;
    onFinding({ kind: 'effect_given_up', ...nameOf(pending), attempts });
    if (effect.kind === 'apply_patch') {
      const reason = `given up after ${attempts} attempts`;
      const manifestDigest = effect.update.manifest.digest;
      return settle(pending, { type: 'integrity_fault', manifestDigest, reason }, signal);
    }
    if (effect.kind === 'apply_base') {
      const owed = journal.effects().filter(({ batch }) => batch === pending.batch);
      const armed = owed.filter((one) => one.effect.kind === 'arm_slot');
      const update = armed.map((one) => ({ ...one, attempts: maxAttempts }));
      await write({ drop: [pending.id], update }, 'that the base was given up', signal);
      return;
    }
    const updateId = 'update' in effect ? effect.update.updateId : null;
    const report: Report = { kind: 'set_aside', effect: effect.kind, updateId };
    const before = journal.effects().filter(({ setAside }) => setAside);
    const entry: Entry = {
      update: [{ ...pending, setAside: true }],
      add: effect.kind === 'report' ? [] : [{ kind: 'report', report }],
      drop: before.slice(0, Math.max(0, before.length + 1 - maxSetAside)).map(({ id }) => id),
    };
    await write(entry, `that ${effect.kind} was set aside`, signal);
  }

  const write = async (entry: Entry, what: string, signal: AbortSignal): Promise<boolean> =>
    (await untilRecorded(() => journal.write(entry), what, signal)) !== undefined;

  /** Repeats a write until the disk has room; undefined when the signal came first. */
  async function untilRecorded<T extends { kind: string }>(
    attemptWrite: () => T,
    what: string,
    signal: AbortSignal,
  ): Promise<T | undefined> {
    for (let attempt = 1; ; attempt += 1) {
      const outcome = attemptWrite();
      if (outcome.kind !== 'not_recorded') return outcome;
      if (attempt === 1) onFinding({ kind: 'disk_full', what });
      await sleep(backoffMs(attempt), signal);
      if (signal.aborted) return undefined;
    }
  }

  function start(): void {
    if (started) return;
    started = true;
    void live().then(stopped.resolve, stopped.reject);
  }

  async function stop(): Promise<void> {
    stopping = true;
    ending.abort();
    if (!started) stopped.resolve();
    rise();
    running?.abort.abort();
    const over = new AbortController();
    await Promise.race([stopped.promise, sleep(graceMs, over.signal)]);
    over.abort();
    if (running === null) return;
    onFinding({ kind: 'effect_abandoned', ...nameOf(running.pending) });
    running = null;
    stopped.resolve();
  }

  return {
    start,
    stop,
    stopped: stopped.promise,
    notice() {
      if (running !== null && !isOwed(running.pending)) running.abort.abort();
      rise();
    },
  };
}
