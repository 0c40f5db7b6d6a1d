/**
 * Carries out a plan: each step's beginning and end are journalled, so that after any death it goes on, forward or back, where it
 * was. One decision ends the way forward: `undo`, after which everything is taken back, or `commit`, after which it stays.
 */
import { fromJson, toJson } from '@bufbuild/protobuf';
import { type StepOutcome, StepOutcomeSchema, UpdateStep } from '@iotdh/proto/bus/v1';
import { isFull } from '../durable/document.ts';
import type { Clock } from './clock.ts';
import { wordsOf } from './component-installer.ts';
import type { OnFailPoint } from './fail-point.ts';
import type { Journal } from './journal.ts';
import type { InstallOutcome } from './outcome.ts';
import {
  applyKey,
  followUpKey,
  type Part,
  type Plan,
  type PlannedStep,
  type Reached,
  restartKey,
} from './plan.ts';
import type { ActionEnd, Host, Operation } from './ports.ts';
import { beginStep, fitted, skippedStep } from './step-outcome.ts';

export type TransactionOptions = {
  journal: Journal;
  /** Whether another process began it. */
  resumed: boolean;
  parts: readonly Part[];
  plan: Plan;
  host: Host;
  clock: Clock;
  signal: AbortSignal;
  progress(): void;
  failPoint: OnFailPoint;
};

/** What a failure in the stage is: nothing has changed, and it can be tried again. */
export type SurroundingsFailed = { kind: 'surroundings_failed'; reason: string; passing: boolean };

/** A step that was begun so often without an end is taken for the one that kills the agent. */
const maxBeginnings = 3;
/** Taking back is worth more patience: what it leaves half done, only a BASE repairs. */
const maxUndoBeginnings = 8;

/** Runs until the outcome is journalled, the machine is about to restart, or the agent stops. */
export async function runTransaction(
  options: TransactionOptions,
): Promise<InstallOutcome | SurroundingsFailed> {
  const { journal, plan, parts, host, clock, signal, failPoint } = options;
  const has = (kind: 'undo' | 'commit') => journal.entries.some((entry) => entry.kind === kind);
  const stops: InstallOutcome = { kind: 'failed', reason: 'the agent stops; it goes on where it was' };

  function ended(key: string): { ok: boolean; reason: string } | null {
    const entry = journal.entries.find((each) => each.kind === 'step_ended' && each.step === key);
    if (entry?.kind !== 'step_ended') return null;
    return { ok: entry.ok, reason: fromJson(StepOutcomeSchema, entry.outcome).detail };
  }

  function beginnings(key: string): number {
    let count = 0;
    for (const entry of journal.entries) {
      if (entry.kind === 'step_began' && entry.step === key) count += 1;
      if (entry.kind === 'step_stopped' && entry.step === key) count -= 1;
    }
    return count;
  }

  /** The same after every restart of the agent, and another one for the job of this id that a lost journal has held. */
  function operationOf(key: string): Operation {
    const [job] = journal.entries;
    const first = journal.entries.find((entry) => entry.kind === 'step_began' && entry.step === key);
    return `${job?.kind === 'began' ? job.id : ''}/${key}/${first?.kind === 'step_began' ? first.time : ''}`;
  }

  /** Runs one step unless it has ended; the journal has its end before this returns. */
  async function perform(planned: PlannedStep, limit: number, throws: boolean) {
    const { key } = planned;
    const before = ended(key);
    if (before !== null) return before;
    if (signal.aborted) return null;
    const cutShort = beginnings(key);
    const outcomeOf = beginStep(clock, planned.step, planned.subject);
    let end: ActionEnd;
    if (cutShort >= limit) {
      end = { kind: 'failed', reason: `the agent or the machine died ${cutShort} times in the middle of it` };
    } else {
      journal.append({ kind: 'step_began', step: key, time: clock.now() });
      failPoint('step_begun', key);
      try {
        const { resumed } = options;
        end = await planned.run(signal, { resumed, cutShort, operation: operationOf(key) });
      } catch (error) {
        if (throws) throw error;
        end = signal.aborted ? { kind: 'stopped' } : { kind: 'failed', reason: wordsOf(error) };
      }
      if (end.kind === 'stopped' && signal.aborted) {
        journal.append({ kind: 'step_stopped', step: key });
        return null;
      }
      if (end.kind === 'stopped') end = { kind: 'failed', reason: 'it was cut short' };
      failPoint('step_done', key);
    }
    return finish(key, end.kind === 'done', outcomeOf(end));
  }

  function finish(key: string, ok: boolean, outcome: StepOutcome) {
    journal.append({ kind: 'step_ended', step: key, ok, outcome: toJson(StepOutcomeSchema, outcome) });
    failPoint('step_ended', key);
    options.progress();
    return { ok, reason: outcome.detail };
  }

  /** Everything up to the decision. Null: decided. */
  async function goForward(): Promise<InstallOutcome | SurroundingsFailed | null> {
    for (const planned of plan.stages) {
      try {
        const end = await perform(planned, Number.POSITIVE_INFINITY, true);
        if (end === null) return stops;
        if (!end.ok) return decideUndo(planned, end.reason);
      } catch (error) {
        const reason = `${planned.subject}: ${wordsOf(error)}`;
        return { kind: 'surroundings_failed', reason, passing: isFull(error) };
      }
    }
    for (const planned of plan.changes) {
      const end = await perform(planned, maxBeginnings, false);
      if (end === null) return stops;
      if (!end.ok) return decideUndo(planned, end.reason);
    }
    if (plan.restartFor !== null) {
      const restarting = await restart(plan.restartFor);
      if (restarting !== null) return restarting;
      if (has('undo')) return null;
    }
    for (const planned of plan.checks) {
      const end = await perform(planned, maxBeginnings, false);
      if (end === null) return stops;
      if (!end.ok) return decideUndo(planned, end.reason);
    }
    journal.append({ kind: 'commit' });
    failPoint('commit_decided', '');
    return null;
  }

  function decideUndo({ key, subject }: Pick<PlannedStep, 'key' | 'subject'>, reason: string): null {
    const title = parts.find(({ component }) => component.id === subject)?.component.title ?? '';
    const stepName = key.split(':', 1)[0];
    journal.append({ kind: 'undo', reason: `${subject} (${title}), ${stepName}: ${reason}`.slice(0, 1000) });
    failPoint('undo_decided', subject);
    return null;
  }

  /** Null: the machine has come up again, or will not go down and the undo is decided. */
  async function restart(subject: string): Promise<InstallOutcome | null> {
    const before = ended(restartKey);
    if (before !== null) return before.ok ? null : decideUndo({ key: restartKey, subject }, before.reason);
    const bootId = await host.bootId();
    const first = journal.entries.find((entry) => entry.kind === 'step_began' && entry.step === restartKey);
    const asked = first?.kind === 'step_began' ? first : null;
    const outcomeOf = beginStep(
      { ...clock, now: () => asked?.time ?? clock.now() },
      UpdateStep.FOLLOW_UP,
      subject,
    );
    let end: ActionEnd = { kind: 'done', detail: 'the machine was restarted' };
    if (asked === null || asked.bootId === bootId) {
      if (signal.aborted) return stops;
      if (beginnings(restartKey) >= maxBeginnings) {
        end = {
          kind: 'failed',
          reason: `the machine was asked ${maxBeginnings} times to restart and did not`,
        };
      } else {
        journal.append({ kind: 'step_began', step: restartKey, time: clock.now(), bootId });
        failPoint('step_begun', restartKey);
        const operation = `${operationOf(restartKey)}/${bootId}`;
        end = await host.restartMachine(operation).catch((error: unknown) => ({
          kind: 'failed' as const,
          reason: wordsOf(error),
        }));
        if (end.kind === 'done') return { kind: 'restarting' };
        if (end.kind === 'stopped') return stops;
      }
    }
    const { ok, reason } = finish(restartKey, end.kind === 'done', outcomeOf(end));
    return ok ? null : decideUndo({ key: restartKey, subject }, reason);
  }

  function reached(componentId: string): Reached {
    const began = (key: string) =>
      journal.entries.some((entry) => entry.kind === 'step_began' && entry.step === key);
    const component = parts.find((part) => part.component.id === componentId)?.component;
    const followUps = [...(component?.followUps.keys() ?? [])];
    return {
      applyBegan: began(applyKey(componentId)),
      applied: ended(applyKey(componentId))?.ok === true,
      followedUp: followUps.filter((index) => began(followUpKey(componentId, index))),
    };
  }

  async function letGo(part: Part): Promise<string | null> {
    try {
      await part.installer.letGo();
      return null;
    } catch (error) {
      return `${part.component.id}: ${wordsOf(error)}`;
    } finally {
      failPoint('kept_removed', part.component.id);
    }
  }

  async function goBack(): Promise<InstallOutcome> {
    for (const planned of plan.undo(reached)) {
      if ((await perform(planned, maxUndoBeginnings, false)) === null) return stops;
    }
    for (const part of parts) {
      // What could not be taken back keeps what was put aside, for a person to see, until the job is forgotten.
      if (ended(`undo:${part.component.id}`)?.ok !== false) await letGo(part);
    }
    const failed = plan.undo(reached).filter(({ key }) => ended(key)?.ok !== true);
    const undo = journal.entries.find((entry) => entry.kind === 'undo');
    const reason = undo?.kind === 'undo' ? undo.reason : '';
    return end({ applied: false, reason, takenBack: failed.length === 0 });
  }

  async function stay(): Promise<InstallOutcome> {
    const outcomeOf = beginStep(clock, UpdateStep.COMMIT, '');
    if (ended('commit') === null) {
      const left = (await Promise.all(parts.map(letGo))).filter((reason) => reason !== null);
      const detail = left.length === 0 ? '' : `not removed, and tried again later: ${left.join('; ')}`;
      finish('commit', true, outcomeOf({ kind: 'done', detail }));
    }
    return end({ applied: true, reason: '', takenBack: false });
  }

  function end(how: { applied: boolean; reason: string; takenBack: boolean }): InstallOutcome {
    failPoint('before_outcome', '');
    journal.append({ kind: 'ended', ...how });
    failPoint('after_outcome', '');
    return outcomeIn(journal, parts) ?? stops;
  }

  if (!has('undo') && !has('commit')) {
    const cut = await goForward();
    if (cut !== null) return cut;
  }
  return has('commit') ? await stay() : await goBack();
}

/** The outcome of a job that is over; null when it is not. */
export function outcomeIn(journal: Journal, parts: readonly Part[]): InstallOutcome | null {
  const last = journal.entries.at(-1);
  if (last?.kind !== 'ended') return null;
  const steps = journal.entries.flatMap((entry) =>
    entry.kind === 'step_ended' ? [fromJson(StepOutcomeSchema, entry.outcome)] : [],
  );
  const skipped = parts
    .filter(
      ({ component }) =>
        !steps.some((each) => each.step === UpdateStep.APPLY && each.subject === component.id),
    )
    .map(({ component }) => skippedStep(UpdateStep.APPLY, component.id, 'not reached'));
  const all = fitted([...steps, ...skipped]);
  if (last.applied) return { kind: 'applied', steps: all };
  return { kind: 'fault', reason: last.reason, takenBack: last.takenBack, steps: all };
}
