/**
 * What the journal's records look like. A change of any shape is a new `recordVersion` in `seal.ts`, and if older records
 * do not have the new shape, an upgrade in `upgrade.ts`.
 */
import type { Effect, Report } from '../machine/effect.ts';
import type { DecisionRecord, PendingEffect, StateChange } from '../machine/journal.ts';
import type { PackState, Snapshot } from '../machine/snapshot.ts';
import { events, states } from '../machine/table.ts';
import {
  answers,
  appliedEndings,
  type Decision,
  droppedEndings,
  endings,
  type Manifest,
  type ServicePack,
  type Update,
} from '../machine/update.ts';
import { count, either, flag, nullable, object, oneOf, type Shape, text } from './shape.ts';

/** Where the agent stands, and the numbers that go on from here. */
export type Standing = { journal: string; sequence: number; nextEffect: number; snapshot: Snapshot };

/** An effect's id is its key. */
export type OwedEffect = Omit<PendingEffect, 'id'>;

const reason = text(1000);
const manifest = object<Manifest>({ version: text(), digest: text(), transferId: text() });
const pack = object<ServicePack>({ updateId: text(), patch: manifest, base: nullable(manifest) });
const update = object<Update>({ updateId: text(), target: oneOf(['patch', 'base']), manifest });

const decisionMembers: { [K in keyof Decision]: Shape<Decision[K]> } = {
  answer: oneOf(answers),
  updateId: text(),
  manifestDigest: text(),
  person: text(),
  untilMs: nullable(count),
};
const decision = object<Decision>(decisionMembers);

const memory = object<Snapshot['memory']>({
  finished: nullable(object({ updateId: text(), ending: oneOf(endings) })),
  failedPatch: nullable(text()),
  decision: nullable(decision),
});

const packStates = states.filter((state): state is PackState => state !== 'BUSY' && state !== 'READY');
const snapshot: Shape<Snapshot> = either(
  object({ state: oneOf(['BUSY']), interrupted: nullable(update), assigned: nullable(pack), memory }),
  object({ state: oneOf(['READY']), memory }),
  object({ state: oneOf(packStates), pack, memory }),
);

const effectKinds: Record<Effect['kind'], true> = {
  ask_assignment: true,
  stop_transfer: true,
  apply_base: true,
  discard: true,
  report: true,
  start_transfer: true,
  prompt: true,
  apply_patch: true,
  arm_slot: true,
};

const report: Shape<Report> = either(
  object({ kind: oneOf(['decided']), decision }),
  object({ kind: oneOf(['integrity_fault']), update, reason }),
  object({ kind: oneOf(['ended']), update, ending: oneOf(appliedEndings) }),
  object({
    kind: oneOf(['dropped']),
    updateId: text(),
    update: nullable(update),
    ending: oneOf(droppedEndings),
    reason,
  }),
  object({
    kind: oneOf(['set_aside']),
    effect: oneOf(Object.keys(effectKinds) as Effect['kind'][]),
    updateId: nullable(text()),
  }),
  object({ kind: oneOf(['journal_damaged']), keptAs: text(4096), reason }),
);

const effect: Shape<Effect> = either(
  object({ kind: oneOf(['ask_assignment']) }),
  object({ kind: oneOf(['discard']), updateId: text() }),
  object({ kind: oneOf(['report']), report }),
  object({ kind: oneOf(['prompt']), update, decision: nullable(decision) }),
  object({
    kind: oneOf(['stop_transfer', 'apply_base', 'start_transfer', 'apply_patch', 'arm_slot']),
    update,
  }),
);

export const standingShape = object<Standing>({
  journal: text(),
  sequence: count,
  nextEffect: count,
  snapshot,
});

export const effectShape = object<OwedEffect>({ batch: count, effect, attempts: count, setAside: flag });

export const changeShape = object<StateChange>({
  sequence: count,
  timeMs: count,
  from: oneOf(states),
  event: oneOf(events),
  to: oneOf(states),
  update: nullable(update),
});

export const decisionShape = object<DecisionRecord>({
  ...decisionMembers,
  timeMs: count,
  state: oneOf(states),
});
