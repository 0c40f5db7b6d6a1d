/** Messages of the contract as the plain values of `types.ts`. */
import { hexOf, nameOfActivity, nameOfEvent, nameOfState } from './names.ts';
import { positionOf } from './position.ts';
import {
  type Consent as ConsentMessage,
  type Hold as HoldMessage,
  type PendingUpdate as PendingUpdateMessage,
  type StateChanged,
  type StateSnapshot as StateSnapshotMessage,
  type TransferProgress,
  UpdateKind,
} from './proto.ts';
import { dateOf, msOf } from './time.ts';
import type { Consent, Hold, PendingUpdate, Progress, StateChange, StateSnapshot } from './types.ts';

/** What the contract requires is there; the fallback is for an agent that breaks it. */
const epoch = new Date(0);

export function progressOf({ receivedBytes, totalBytes }: TransferProgress): Progress {
  return { receivedBytes: Number(receivedBytes), totalBytes: Number(totalBytes) };
}

function pendingUpdateOf(update: PendingUpdateMessage): PendingUpdate {
  return {
    manifestDigest: hexOf(update.manifestDigest),
    kind: update.kind === UpdateKind.BASE ? 'base' : 'patch',
    name: update.name,
    version: update.version,
    title: update.title,
    summary: update.summary,
    changes: [...update.changes],
    expectedDurationMs: update.expectedDuration === undefined ? null : msOf(update.expectedDuration),
    restartsMachine: update.restartsMachine,
    postponedUntil: dateOf(update.postponedUntil),
    declined: update.declined,
  };
}

export function holdOf({ leaseId, reason, startTime, expireTime }: HoldMessage): Hold {
  const activity = reason === undefined ? null : nameOfActivity(reason.activity);
  return {
    leaseId: leaseId || null,
    reason: { ...(activity && { activity }), ...(reason?.text && { text: reason.text }) },
    since: dateOf(startTime) ?? epoch,
    expires: dateOf(expireTime),
  };
}

export function snapshotOf(message: StateSnapshotMessage): StateSnapshot {
  const { journalId, sequence, state, stateTime, progress, pendingUpdate, holds } = message;
  return {
    position: positionOf({ journalId, sequence: Number(sequence) }),
    state: nameOfState(state),
    since: dateOf(stateTime) ?? epoch,
    progress: progress === undefined ? null : progressOf(progress),
    pendingUpdate: pendingUpdate === undefined ? null : pendingUpdateOf(pendingUpdate),
    holds: holds.map(holdOf),
  };
}

export function changeOf(message: StateChanged, journalId: string): StateChange {
  const { from, to, event, time, progress, pendingUpdate, reason } = message;
  const sequence = Number(message.sequence);
  return {
    position: positionOf({ journalId, sequence }),
    sequence,
    from: nameOfState(from),
    to: nameOfState(to),
    event: nameOfEvent(event),
    time: dateOf(time) ?? epoch,
    progress: progress === undefined ? null : progressOf(progress),
    pendingUpdate: pendingUpdate === undefined ? null : pendingUpdateOf(pendingUpdate),
    reason,
  };
}

export function consentOf(message: ConsentMessage): Consent {
  const { consentId, manifestDigest, person, shownText, decision, time } = message;
  return {
    id: consentId,
    manifestDigest: hexOf(manifestDigest),
    decision: decision.case === 'postponedUntil' ? 'postpone' : (decision.case ?? 'confirm'),
    person: { id: person?.id ?? '', name: person?.name ?? '' },
    shownText,
    time: dateOf(time) ?? epoch,
  };
}
