/**
 * The pure heart of the agent: what follows from an event. It reads the table, carries the state's data over to the next
 * state, and decides on effects; it does nothing itself.
 */
import { effectsOf, endOf } from './consequences.ts';
import type { Effect } from './effect.ts';
import type { MachineEvent } from './event.ts';
import { type Memory, pendingUpdate, type Situation, type Snapshot } from './snapshot.ts';
import { findRow, type Guard, isNoted, type State } from './table.ts';
import type { Decision, Disk, Held, ServicePack } from './update.ts';

/** The event counts. `to.state` differs from the state before, unless the event was only noted. */
export type Next = {
  kind: 'next';
  to: Snapshot;
  /** In the order in which they are to be executed; an activity, if there is one, comes last. */
  effects: readonly Effect[];
  /** A person's answer, for the record. */
  decision: Decision | null;
  /** Whether the activity that is owed so far is no longer wanted. */
  overtakes: boolean;
};

/**
 * Why an event does not count:
 * - `not_listed`: the table has no row for it in this state;
 * - `applying`: the host application wants to be busy while an update is being applied;
 * - `other_manifest`: it names another manifest than the one that is pending;
 * - `other_update`: it names another update than the one that is under way;
 * - `already_assigned`: the offer is a repetition, or the service pack has its base;
 * - `already_finished`: it is about an update that has ended here, or offers one whose patch has failed here.
 */
export type RefusalReason =
  | 'not_listed'
  | 'applying'
  | 'other_manifest'
  | 'other_update'
  | 'already_assigned'
  | 'already_finished';
export type Refused = { kind: 'refused'; state: State; event: MachineEvent['type']; reason: RefusalReason };

/** What follows from `event`. Throws only if the table and the states' data contradict each other, which is a bug. */
export function next(from: Snapshot, event: MachineEvent): Next | Refused {
  const noted = isNoted(from.state, event.type);
  const row = noted ? undefined : findRow(from.state, event.type, guardOf(from, event));
  const reason = noted || row !== undefined ? objection(from, event) : unlisted(from, event);
  if (reason !== null) return { kind: 'refused', state: from.state, event: event.type, reason };

  const decision = decisionIn(from, event);
  const situation = row === undefined ? note(from, event) : enter(row[3], from, event);
  const to = { ...situation, memory: remember(from, event, decision) };
  const overtakes = to.state !== from.state || event.type === 'update_dropped';
  return { kind: 'next', to, effects: effectsOf(from, event, to, decision), decision, overtakes };
}

function unlisted(from: Situation, event: MachineEvent): RefusalReason {
  const applying = from.state === 'APPLYING_PATCH' || from.state === 'APPLYING_BASE';
  return applying && event.type === 'sdk_cmdbusy' ? 'applying' : 'not_listed';
}

/** What speaks against an event that the table allows. */
function objection(from: Snapshot, event: MachineEvent): RefusalReason | null {
  if ('manifestDigest' in event) {
    return event.manifestDigest === pendingUpdate(from)?.manifest.digest ? null : 'other_manifest';
  }
  switch (event.type) {
    case 'cloud_cmdupgrade':
      return objectionToOffer(from, event.pack.updateId);
    case 'cloud_fallback':
      return objectionTo(from, event.updateId) ?? (baseIn(from) === null ? null : 'already_assigned');
    case 'update_dropped':
      return objectionTo(from, event.updateId);
    default:
      return null;
  }
}

function objectionToOffer(from: Snapshot, updateId: string): RefusalReason | null {
  const { finished, failedPatch } = from.memory;
  if (updateId === finished?.updateId || updateId === failedPatch) return 'already_finished';
  if (from.state !== 'BUSY') return null;
  const known = [from.interrupted?.updateId, from.assigned?.updateId];
  return known.includes(updateId) ? 'already_assigned' : null;
}

/** What speaks against news of this update. In `BUSY` and `READY` only the disk and the cloud know which there are. */
function objectionTo(from: Snapshot, updateId: string): RefusalReason | null {
  if (updateId === from.memory.finished?.updateId) return 'already_finished';
  return 'pack' in from && from.pack.updateId !== updateId ? 'other_update' : null;
}

const baseIn = (from: Situation) => ('pack' in from ? from.pack.base : null);

/**
 * What the disk holds, less the remains of an update that has ended: their `discard` may still be under way. A patch that
 * failed its integrity check is no longer one: with it begins its base, of which nothing may have arrived.
 */
function current(from: Snapshot, disk: Disk): Disk {
  const { finished, failedPatch } = from.memory;
  const unlessFinished = (held: Held | null): Held | null =>
    held?.pack.updateId === finished?.updateId ? null : held;
  const patch = unlessFinished(disk.patch);
  const base = unlessFinished(disk.base);
  if (patch === null || patch.pack.updateId !== failedPatch) return { patch, base };
  return { patch: null, base: base ?? { pack: patch.pack, complete: false } };
}

function guardOf(from: Snapshot, event: MachineEvent): Guard | null {
  if (event.type !== 'sdk_cmdready') return null;
  const { patch, base } = current(from, event.disk);
  if (base !== null) return base.complete && base.pack.base !== null ? 'has_base' : 'has_partbase';
  if (patch !== null) return patch.complete ? 'has_patch' : 'has_partpatch';
  return 'no_patch_no_base';
}

/** The same state, knowing what the cloud has assigned meanwhile, or no longer knowing of what was dropped. */
function note(from: Snapshot, event: MachineEvent): Situation {
  if ('pack' in from && event.type === 'cloud_fallback') {
    return { ...from, pack: { ...from.pack, base: event.base } };
  }
  if (from.state !== 'BUSY') return from;
  if (event.type === 'cloud_cmdupgrade') return { ...from, assigned: event.pack };
  if (event.type !== 'update_dropped') return from;
  const unlessDropped = <T extends { updateId: string }>(one: T | null): T | null =>
    one?.updateId === event.updateId ? null : one;
  return { ...from, interrupted: unlessDropped(from.interrupted), assigned: unlessDropped(from.assigned) };
}

/** The new state with the data that it needs. */
function enter(state: State, from: Snapshot, event: MachineEvent): Situation {
  if (state === 'BUSY') return { state, interrupted: pendingUpdate(from), assigned: null };
  if (state === 'READY') return { state };
  const pack = packFor(from, event);
  if (pack !== undefined) return { state, pack };
  throw new Error(`${event.type} leads from ${from.state} to ${state}, but there is no service pack`);
}

function packFor(from: Snapshot, event: MachineEvent): ServicePack | undefined {
  if (event.type === 'cloud_cmdupgrade') return event.pack;
  if (event.type !== 'sdk_cmdready') return 'pack' in from ? from.pack : undefined;
  const { patch, base } = current(from, event.disk);
  return (base ?? patch)?.pack;
}

function decisionIn(from: Snapshot, event: MachineEvent): Decision | null {
  if (!('person' in event)) return null;
  const { manifestDigest, person } = event;
  const updateId = pendingUpdate(from)?.updateId ?? '';
  const about = { updateId, manifestDigest, person };
  if (event.type === 'sdk_postpone') return { answer: 'postpone', ...about, untilMs: event.untilMs };
  return { answer: event.type === 'sdk_decline' ? 'decline' : 'confirm', ...about, untilMs: null };
}

function remember(from: Snapshot, event: MachineEvent, decision: Decision | null): Memory {
  const ended = endOf(from, event);
  if (ended !== null) return { ...from.memory, finished: ended, decision: null };
  if (event.type === 'integrity_fault') {
    return { ...from.memory, failedPatch: pendingUpdate(from)?.updateId ?? null };
  }
  if (decision === null) return from.memory;
  return { ...from.memory, decision: decision.answer === 'confirm' ? null : decision };
}
