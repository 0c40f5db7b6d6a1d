/**
 * What the agent does, as plain values. `next` decides on effects, the journal keeps them until they are done, and the
 * subsystems execute them through `Ports`; none of the three knows the others.
 */
import type { ResultEvent } from './event.ts';
import type { AppliedEnding, Decision, DroppedEnding, Update } from './update.ts';

/** What the cloud is told besides the state changes themselves. */
export type Report =
  | { kind: 'decided'; decision: Decision }
  | { kind: 'integrity_fault'; update: Update; reason: string }
  | { kind: 'ended'; update: Update; ending: AppliedEnding }
  /** An update ended before it was applied. `update`: what was pending of it; null for a base that was never assigned. */
  | { kind: 'dropped'; updateId: string; update: Update | null; ending: DroppedEnding; reason: string }
  /** An effect was set aside for now; see `maxAttempts` in `runner.ts`. */
  | { kind: 'set_aside'; effect: Effect['kind']; updateId: string | null }
  /** The journal could not be read and the agent began anew in `BUSY`; the damaged files are in `keptAs`. */
  | { kind: 'journal_damaged'; keptAs: string; reason: string };

/** Effects that are simply done. */
export type Step =
  /** Ask the cloud what is assigned to this device: an update on `READY`, the base in `INTRANSIT_BASE` without one. */
  | { kind: 'ask_assignment' }
  /** Pause the transfer and tell the cloud to send no more of it; what has arrived stays on disk. */
  | { kind: 'stop_transfer'; update: Update }
  /** Write the base to the inactive slot and check every byte. */
  | { kind: 'apply_base'; update: Update }
  /** Remove from disk what this update, patch and base, has brought. */
  | { kind: 'discard'; updateId: string }
  /** Put a report into the durable outbox. */
  | { kind: 'report'; report: Report };

/** Effects whose result is the next event. They last as long as their state, and are aborted when it ends before them. */
export type Activity =
  /** Bring what the manifest lists; complete only when every byte is verified. Without a link it waits. */
  | { kind: 'start_transfer'; update: Update }
  /** Show the update to the host application. `decision`: what a person has already answered about this very manifest. */
  | { kind: 'prompt'; update: Update; decision: Decision | null }
  /** Apply all components in one transaction and run the checks; if one fails, undo everything: an `integrity_fault`. */
  | { kind: 'apply_patch'; update: Update }
  /**
   * Arm the written slot for one boot and restart the machine; after that boot, see which system came up. Given up: nothing
   * is on trial any more and the good system runs.
   */
  | { kind: 'arm_slot'; update: Update };

export type Effect = Step | Activity;

/** The events that each activity can result in. */
type Results = {
  start_transfer: 'transfer_complete';
  prompt: 'prompt_issued';
  apply_patch: 'integrity_ok' | 'integrity_fault';
  arm_slot: 'boot_sys';
};

/**
 * An effect that failed is tried again; `reason` is for people. A port that throws has failed too. `restarting`: it has asked
 * for the restart of the machine, so that the attempt counts although the agent is stopped.
 */
export type Failed = { kind: 'failed'; reason: string; restarting?: true };
/** There is no room for it yet: no attempt, and it is asked for again for ever. */
export type Later = { kind: 'later'; reason: string };
export type StepResult = { kind: 'done' } | Failed;
export type ActivityResult<K extends Activity['kind'] = Activity['kind']> =
  | { kind: 'event'; event: Extract<ResultEvent, { type: Results[K] }> }
  | Failed;

/** What a port is given besides the effect itself. */
export type EffectContext = {
  /** Names this effect for ever, over restarts: the key under which a port knows that it has done it. */
  id: string;
  /** 1 for the first attempt, or for the first since the last `progress`. */
  attempt: number;
  /** It was tried too often and is to be taken back: only ever true for `arm_slot`. */
  givenUp: boolean;
  /** Aborted when the agent stops or its state moves on. Settle soon; a failure is then not counted. */
  signal: AbortSignal;
  /** Says that something durable was gained that no later attempt undoes, so that this is no loop. Cheap to call. */
  progress(): void;
};

/**
 * The subsystems that execute effects. Every port is idempotent: an effect whose end the journal has not seen is executed
 * again with the same id, after a crash as after a failure. Every port limits its own time.
 */
export type Ports = {
  [K in Step['kind']]: (
    effect: Extract<Step, { kind: K }>,
    context: EffectContext,
  ) => Promise<K extends 'report' ? StepResult | Later : StepResult>;
} & {
  [K in Activity['kind']]: (
    effect: Extract<Activity, { kind: K }>,
    context: EffectContext,
  ) => Promise<ActivityResult<K>>;
};

const activities: readonly Effect['kind'][] = ['start_transfer', 'prompt', 'apply_patch', 'arm_slot'];

/** Whether this effect's result is an event. */
export function isActivity(effect: Effect): effect is Activity {
  return activities.includes(effect.kind);
}
