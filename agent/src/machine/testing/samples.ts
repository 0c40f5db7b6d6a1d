/** Samples for tests: a service pack, a snapshot in every state, and an event of every name that fits its state. */
import type { MachineEvent } from '../event.ts';
import { initialSnapshot, pendingUpdate, type Situation, type Snapshot } from '../snapshot.ts';
import type { EventName, Guard, State } from '../table.ts';
import type { Disk, Manifest, ServicePack } from '../update.ts';

/** A service pack whose names all end in `name`, so that two of them share nothing. */
export function samplePack(name = '1'): ServicePack & { base: Manifest } {
  return {
    updateId: `update-${name}`,
    patch: {
      version: `2.${name}`,
      digest: `digest-of-patch-${name}`,
      transferId: `transfer-of-patch-${name}`,
    },
    base: {
      version: `2.0-${name}`,
      digest: `digest-of-base-${name}`,
      transferId: `transfer-of-base-${name}`,
    },
  };
}

/** The same service pack before its base is assigned. */
export const withoutBase = (pack: ServicePack): ServicePack => ({ ...pack, base: null });

/** A snapshot in this state, dealing with `pack` where the state deals with one. */
export function snapshotIn(state: State, pack: ServicePack = samplePack()): Snapshot {
  const { memory } = initialSnapshot;
  return { ...situation(state, pack), memory };
}

function situation(state: State, pack: ServicePack): Situation {
  if (state === 'BUSY') return { state, interrupted: null, assigned: null };
  return state === 'READY' ? { state } : { state, pack };
}

/** A disk on which `sdk_cmdready` finds what the guard says; where a base wins, a patch lies beside it. */
export function diskFor(guard: Guard, pack: ServicePack = samplePack()): Disk {
  const whole = { pack, complete: true };
  const part = { pack, complete: false };
  switch (guard) {
    case 'no_patch_no_base':
      return { patch: null, base: null };
    case 'has_patch':
      return { patch: whole, base: null };
    case 'has_partpatch':
      return { patch: part, base: null };
    case 'has_base':
      return { patch: whole, base: whole };
    case 'has_partbase':
      return { patch: part, base: part };
  }
}

/** The events that are noted and never move the agent. */
export const notedOnly = ['sdk_postpone', 'sdk_decline', 'cloud_fallback', 'update_dropped'] as const;

/** An event of this name that names the update and the manifest which are pending in `from`. */
export function eventFor(
  name: EventName | (typeof notedOnly)[number],
  from: Snapshot,
  { guard = 'no_patch_no_base', pack = samplePack() }: { guard?: Guard; pack?: ServicePack } = {},
): MachineEvent {
  const manifestDigest = pendingUpdate(from)?.manifest.digest ?? 'nothing is pending';
  const person = 'Dr. Sample';
  const { updateId } = 'pack' in from ? from.pack : pack;
  switch (name) {
    case 'sdk_cmdready':
      return { type: name, disk: diskFor(guard, pack) };
    case 'sdk_cmdbusy':
    case 'boot_fwupd':
      return { type: name };
    case 'cloud_cmdupgrade':
      return { type: name, pack };
    case 'cloud_fallback':
      return { type: name, updateId, base: samplePack(updateId.replace('update-', '')).base };
    case 'update_dropped':
      return { type: name, updateId, ending: 'cancelled', reason: 'an operator withdrew it' };
    case 'sdk_confirmpatch':
    case 'sdk_confirmbase':
    case 'sdk_decline':
      return { type: name, manifestDigest, person };
    case 'sdk_postpone':
      return { type: name, manifestDigest, person, untilMs: 86_400_000 };
    case 'transfer_complete':
    case 'prompt_issued':
    case 'integrity_ok':
      return { type: name, manifestDigest };
    case 'integrity_fault':
      return { type: name, manifestDigest, reason: 'the health check exited with 3' };
    case 'boot_sys':
      return { type: name, manifestDigest, proven: true };
  }
}
