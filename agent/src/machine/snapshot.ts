/**
 * Where the agent stands: its state, with the data that this state needs. This is what the journal keeps, so a change of
 * shape is a new record version (`journal/records.ts`).
 */
import type { State } from './table.ts';
import {
  type Decision,
  type Ending,
  type ServicePack,
  type Target,
  type Update,
  updateOf,
} from './update.ts';

/** The states in which a service pack is being dealt with. */
export type PackState = Exclude<State, 'BUSY' | 'READY'>;

/** The state and its data. */
export type Situation =
  | {
      state: 'BUSY';
      /** What the host application's `busy` interrupted; the disk says how far it had come. */
      interrupted: Update | null;
      /** What the cloud offered meanwhile. The cloud keeps it assigned; the agent asks for it on `READY`. */
      assigned: ServicePack | null;
    }
  | { state: 'READY' }
  | { state: PackState; pack: ServicePack };

/** What outlives the state that it was learnt in. */
export type Memory = {
  /** The update that ended last. What the disk or a late message still says about it is out of date. */
  finished: { updateId: string; ending: Ending } | null;
  /** The update whose patch failed its integrity check last: only its base may still come to this machine. */
  failedPatch: string | null;
  /** The last answer that postponed or declined; it holds for the manifest that it names. */
  decision: Decision | null;
};

export type Snapshot = Situation & { memory: Memory };

/** How every agent begins: nothing known, and nobody disturbed. */
export const initialSnapshot: Snapshot = {
  state: 'BUSY',
  interrupted: null,
  assigned: null,
  memory: { finished: null, failedPatch: null, decision: null },
};

/** The half of the service pack that this state deals with. */
export function targetOf(state: PackState): Target {
  return state.endsWith('_PATCH') || state.endsWith('_WITHPATCH') ? 'patch' : 'base';
}

/**
 * The update that is under way or waits in this snapshot, if any. None is while the base of a failed patch is not assigned
 * yet, nor once the update that this state deals with was dropped.
 */
export function pendingUpdate(snapshot: Snapshot): Update | null {
  const update = updateIn(snapshot);
  return update?.updateId === snapshot.memory.finished?.updateId ? null : update;
}

function updateIn(snapshot: Situation): Update | null {
  switch (snapshot.state) {
    case 'READY':
      return null;
    case 'BUSY':
      return snapshot.interrupted ?? (snapshot.assigned && updateOf(snapshot.assigned, 'patch'));
    default:
      return updateOf(snapshot.pack, targetOf(snapshot.state));
  }
}
