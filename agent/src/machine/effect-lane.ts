/**
 * Executes the effects that the journal owes: one at a time, in the order in which they were decided on, each attempt
 * counted before it begins, each end written before the next begins.
 */
import { setImmediate } from 'node:timers/promises';
import type { ActivityResult, Effect, EffectContext, Ports, Report, StepResult } from './effect.ts';
import type { ResultEvent } from './event.ts';
import type { OnFailPoint } from './fail-point.ts';
import type { Entry, Journal, PendingEffect } from './journal.ts';
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
/** Longer reasons are cut: a port may pass on an installer's output. */
const maxReasonLength = 1000;

/** The first effect that is owed; a batch waits behind its own member that was set aside, other batches do not. */
function firstOwed(pending: readonly PendingEffect[]): PendingEffect | undefined {
  const blocked = new Set(pending.filter(({ setAside }) => setAside).map(({ batch }) => batch));
  return pending.find(({ batch }) => !blocked.has(batch));
}

/** Whether an attempt cannot take the machine down: its count need not survive a power cut, for it breaks no loop. */
const isHarmless = ({ kind }: Effect) => kind === 'ask_assignment' || kind === 'stop_transfer';

export function createEffectLane(options: LaneOptions): EffectLane {
  const { journal, ports, accept, sleep, onFinding, maxAttempts, backoffMs, graceMs, onFailPoint } = options;
  const stopped = Promise.withResolvers<void>();
  let started = false;
  let stopping = false;
  let running: { pending: PendingEffect; abort: AbortController } | null = null;
  let rise = () => {};

  const nameOf = ({ id, effect }: PendingEffect) => ({ effect: effect.kind, id: `${journal.id}.${id}` });
  const isOwed = ({ id }: PendingEffect) => journal.effects().some((pending) => pending.id === id);

  async function live(): Promise<void> {
    while (!stopping) {
      const pending = firstOwed(journal.effects());
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

  async function perform(pending: PendingEffect, signal: AbortSignal): Promise<void> {
    const { effect } = pending;
    if (pending.attempts >= maxAttempts) return giveUp(pending, signal);
    const begun = { ...pending, attempts: pending.attempts + 1 };
    const counted = { update: [begun], canWait: isHarmless(effect) };
    if (!(await write(counted, `the attempt at ${effect.kind}`, signal))) return;

    onFailPoint?.('before_effect', effect.kind);
    const result = await execute(begun, signal);
    if (running?.pending !== pending) return;
    onFailPoint?.('after_effect', effect.kind);

    if (!isOwed(begun)) return;
    // An effect whose end is lost is executed again with the same id, as after any crash before its end was written.
    const end = { drop: [begun.id], canWait: isHarmless(effect) };
    if (result.kind === 'done') await write(end, `the end of ${effect.kind}`, signal);
    else if (result.kind === 'failed') await failed(begun, result.reason, signal);
    else await settle(begun, result.event, signal);
  }

  async function execute(begun: PendingEffect, signal: AbortSignal): Promise<StepResult | ActivityResult> {
    const { effect } = begun;
    const context: EffectContext = {
      id: nameOf(begun).id,
      attempt: begun.attempts,
      signal,
      progress() {
        if (begun.attempts === 1 || signal.aborted) return;
        const { kind } = journal.write({ update: [{ ...begun, attempts: 1 }] });
        if (kind === 'recorded') begun.attempts = 1;
      },
    };
    // The port of an effect's own kind takes that effect, which the type of an indexed access cannot say.
    const port = ports[effect.kind] as (e: Effect, c: EffectContext) => Promise<StepResult | ActivityResult>;
    try {
      return await port(effect, context);
    } catch (error) {
      return { kind: 'failed', reason: error instanceof Error ? error.message : String(error) };
    }
  }

  /** Waits before the next attempt. An attempt that a clean stop cut short is not counted. */
  async function failed(begun: PendingEffect, reason: string, signal: AbortSignal): Promise<void> {
    if (stopping) {
      journal.write({ update: [{ ...begun, attempts: begun.attempts - 1 }] });
      return;
    }
    const attempt = begun.attempts;
    onFinding({ kind: 'effect_failed', ...nameOf(begun), attempt, reason: reason.slice(0, maxReasonLength) });
    await sleep(backoffMs(attempt), signal);
  }

  /** Hands an activity's result to the machine. */
  async function settle(begun: PendingEffect, event: ResultEvent, signal: AbortSignal): Promise<void> {
    const bounded = 'reason' in event ? { ...event, reason: event.reason.slice(0, maxReasonLength) } : event;
    const answer = await untilRecorded(() => accept(bounded), `the result of ${begun.effect.kind}`, signal);
    if (answer?.kind === 'refused')
      await failed(begun, `${event.type} was refused: ${answer.reason}`, signal);
  }

  /**
   * Ends a loop. A patch that cannot be brought to an end has failed, and the base takes its place; anything else is set
   * aside until somebody releases it or the state moves on, and the cloud is told.
   */
  async function giveUp(pending: PendingEffect, signal: AbortSignal): Promise<void> {
    const { effect, attempts } = pending;
    onFinding({ kind: 'effect_given_up', ...nameOf(pending), attempts });
    if (effect.kind === 'apply_patch') {
      const reason = `given up after ${attempts} attempts`;
      const manifestDigest = effect.update.manifest.digest;
      return settle(pending, { type: 'integrity_fault', manifestDigest, reason }, signal);
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
