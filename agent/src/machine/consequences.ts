/** Which effects follow from an accepted event: what the cloud is told, what is cleaned up, what the new state begins. */
import type { Effect, Report } from './effect.ts';
import type { MachineEvent } from './event.ts';
import { pendingUpdate, type Snapshot } from './snapshot.ts';
import type { AppliedEnding, Decision, Ending } from './update.ts';

/** The effects of an event, in the order of their execution. `to` is in the same state when the event was only noted. */
export function effectsOf(
  from: Snapshot,
  event: MachineEvent,
  to: Snapshot,
  decision: Decision | null,
): Effect[] {
  const told = reports(from, event, decision).map((report): Effect => ({ kind: 'report', report }));
  const moved = to.state !== from.state;
  // With its base, a machine that waited for one has what it needs to begin.
  const begins = moved || (to.state === 'INTRANSIT_BASE' && event.type === 'cloud_fallback');
  return [...told, ...leaving(from, event), ...(begins ? entering(to) : [])];
}

/** Which update ended with this event and how, or null if none did. */
export function endOf(from: Snapshot, event: MachineEvent): { updateId: string; ending: Ending } | null {
  if (event.type === 'update_dropped') return { updateId: event.updateId, ending: event.ending };
  const updateId = pendingUpdate(from)?.updateId;
  const ending = appliedEndingOf(event);
  return ending === null || updateId === undefined ? null : { updateId, ending };
}

function appliedEndingOf(event: MachineEvent): AppliedEnding | null {
  if (event.type === 'integrity_ok') return 'applied';
  if (event.type === 'boot_sys') return event.proven ? 'restored' : 'fell_back';
  return null;
}

function reports(from: Snapshot, event: MachineEvent, decision: Decision | null): Report[] {
  if (decision !== null) return [{ kind: 'decided', decision }];
  const update = pendingUpdate(from);
  if (event.type === 'update_dropped') {
    const { updateId, ending, reason } = event;
    const pending = update?.updateId === updateId ? update : null;
    return [{ kind: 'dropped', updateId, update: pending, ending, reason }];
  }
  if (update === null) return [];
  if (event.type === 'integrity_fault') return [{ kind: 'integrity_fault', update, reason: event.reason }];
  const ending = appliedEndingOf(event);
  return ending === null ? [] : [{ kind: 'ended', update, ending }];
}

function leaving(from: Snapshot, event: MachineEvent): Effect[] {
  const update = pendingUpdate(from);
  const ended = endOf(from, event);
  const transferring = from.state === 'INTRANSIT_PATCH' || from.state === 'INTRANSIT_BASE';
  const stops = event.type === 'sdk_cmdbusy' || event.type === 'update_dropped';
  return [
    ...(update !== null && transferring && stops ? [{ kind: 'stop_transfer', update } as const] : []),
    ...(ended === null ? [] : [{ kind: 'discard', updateId: ended.updateId } as const]),
  ];
}

function entering(to: Snapshot): Effect[] {
  if (to.state === 'READY') return [{ kind: 'ask_assignment' }];
  const update = pendingUpdate(to);
  // Without its base the machine can only say that it waits for one.
  if (update === null) return to.state === 'INTRANSIT_BASE' ? [{ kind: 'ask_assignment' }] : [];
  switch (to.state) {
    case 'INTRANSIT_PATCH':
    case 'INTRANSIT_BASE':
      return [{ kind: 'start_transfer', update }];
    case 'READY_WITHPATCH':
    case 'READY_WITHBASE': {
      const { decision } = to.memory;
      const aboutThis = decision?.manifestDigest === update.manifest.digest;
      return [{ kind: 'prompt', update, decision: aboutThis ? decision : null }];
    }
    case 'APPLYING_PATCH':
      return [{ kind: 'apply_patch', update }];
    case 'APPLYING_BASE':
      return [
        { kind: 'apply_base', update },
        { kind: 'arm_slot', update },
      ];
    default:
      return [];
  }
}
