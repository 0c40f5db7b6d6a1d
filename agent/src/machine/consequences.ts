/** Which effects follow from an accepted event: what the cloud is told, what is cleaned up, what the new state begins. */
import type { Effect, Report } from './effect.ts';
import type { MachineEvent } from './event.ts';
import { pendingUpdate, type Snapshot } from './snapshot.ts';
import type { Decision, Ending } from './update.ts';

/** The effects of an event, in the order of their execution. `to` is in the same state when the event was only noted. */
export function effectsOf(
  from: Snapshot,
  event: MachineEvent,
  to: Snapshot,
  decision: Decision | null,
): Effect[] {
  const told = reports(from, event, decision).map((report): Effect => ({ kind: 'report', report }));
  return to.state === from.state ? told : [...told, ...leaving(from, event), ...entering(to)];
}

/** How an update ended with this event, or null if none did. */
export function endingOf(event: MachineEvent): Ending | null {
  if (event.type === 'integrity_ok') return 'applied';
  if (event.type === 'boot_sys') return event.proven ? 'restored' : 'fell_back';
  return null;
}

function reports(from: Snapshot, event: MachineEvent, decision: Decision | null): Report[] {
  if (decision !== null) return [{ kind: 'decided', decision }];
  const update = pendingUpdate(from);
  if (update === null) return [];
  if (event.type === 'integrity_fault') return [{ kind: 'integrity_fault', update, reason: event.reason }];
  const ending = endingOf(event);
  return ending === null ? [] : [{ kind: 'ended', update, ending }];
}

function leaving(from: Snapshot, event: MachineEvent): Effect[] {
  const update = pendingUpdate(from);
  if (update === null) return [];
  if (endingOf(event) !== null) return [{ kind: 'discard', updateId: update.updateId }];
  const transferring = from.state === 'INTRANSIT_PATCH' || from.state === 'INTRANSIT_BASE';
  return transferring && event.type === 'sdk_cmdbusy' ? [{ kind: 'stop_transfer', update }] : [];
}

function entering(to: Snapshot): Effect[] {
  if (to.state === 'READY') return [{ kind: 'ask_assignment' }];
  const update = pendingUpdate(to);
  if (update === null) return [];
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
