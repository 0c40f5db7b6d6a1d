/** How what a device says moves its assignment: pure rules, from the document as it was to the document as it is. */
import { State, type StateChanged } from '@iotdh/proto/agent/v1';
import { UpdateOutcome, type UpdateResult, UpdateResultSchema } from '@iotdh/proto/bus/v1';
import { UpdateKind } from '@iotdh/proto/update/v1';
import { Long } from 'mongodb';
import type { AssignmentDocument } from '../../shared/database/collections.ts';
import { jsonOf } from './documents.ts';

type Progressing = Exclude<AssignmentDocument['state'], 'ended'>;

/** How far an assignment has come when the agent is in a state and the assignment's update is pending. */
const stateOf: Readonly<Record<State, Progressing | undefined>> = {
  [State.UNSPECIFIED]: undefined,
  [State.BUSY]: 'waiting',
  [State.READY]: 'waiting',
  [State.INTRANSIT_PATCH]: 'in_transit',
  [State.READY_WITHPATCH]: 'awaiting_consent',
  [State.WAIT_CONFIRM_PATCH]: 'awaiting_consent',
  [State.APPLYING_PATCH]: 'applying',
  [State.INTRANSIT_BASE]: 'in_transit',
  [State.READY_WITHBASE]: 'awaiting_consent',
  [State.WAIT_CONFIRM_BASE]: 'awaiting_consent',
  [State.APPLYING_BASE]: 'applying',
};

/** The assignment after a move of its device's agent; the same object when the move does not concern it. */
export function afterMove(
  assignment: AssignmentDocument,
  change: StateChanged,
  now: Date,
): AssignmentDocument {
  const state = stateOf[change.to];
  const pending = change.pendingUpdate;
  if (!assignment.goesOn || state === undefined || pending === undefined) return assignment;
  const digest = Buffer.from(pending.manifestDigest).toString('hex');
  if (digest !== assignment.manifest.digest && digest !== assignment.fallback?.digest) return assignment;
  const { progress } = change;
  return {
    ...assignment,
    ...(state !== assignment.state && { state, stateTime: now }),
    ...(progress && {
      progress: {
        receivedBytes: Long.fromBigInt(progress.receivedBytes),
        totalBytes: Long.fromBigInt(progress.totalBytes),
      },
    }),
  };
}

const final: ReadonlySet<UpdateOutcome> = new Set([
  UpdateOutcome.APPLIED,
  UpdateOutcome.CANCELLED,
  UpdateOutcome.REFUSED,
]);

/** Whether the assignment ends with this result, or goes on with the BASE that it falls back to. */
function ends(assignment: AssignmentDocument, { outcome, kind }: UpdateResult): boolean {
  return final.has(outcome) || kind === UpdateKind.BASE || assignment.fallback === null;
}

/**
 * The assignment after a result of its device. One that has ended already stays ended, but takes the result: what the device says
 * became of it is truer than what was assumed when it was withdrawn.
 */
export function afterResult(
  assignment: AssignmentDocument,
  result: UpdateResult,
  now: Date,
): AssignmentDocument {
  const ended = assignment.goesOn && ends(assignment, result);
  return {
    ...assignment,
    result: jsonOf(UpdateResultSchema, result),
    ...(ended && { state: 'ended', stateTime: now, goesOn: false }),
  };
}
