/**
 * What a boot loader is told when the boot environment changes, and in which order, so that the power may go between any two
 * steps. Two rules make it so: a slot can be started only while it holds a whole system, and the default moves only to a slot
 * that was proven. Whatever the boot loader then picks, even after its own memory was lost, is a whole system. Pure.
 */
import { type BootEnvironment, otherSlot, type SlotName } from './boot-environment.ts';
import type { LoaderState } from './boot-loader.ts';

export type LoaderStep =
  | { step: 'offer'; slot: SlotName; tries: number | null }
  | { step: 'withdraw'; slot: SlotName }
  | { step: 'start_once'; slot: SlotName | null }
  | { step: 'start_by_default'; slot: SlotName };

/** What is done before the record holds the change, and what after. */
export type StepsAround = { before: readonly LoaderStep[]; after: readonly LoaderStep[] };

const oneTry = (slot: SlotName): LoaderStep[] => [
  { step: 'offer', slot, tries: 1 },
  { step: 'start_once', slot },
];

/** The steps of one change, which one of the functions of `boot-environment.ts` made. */
export function stepsAround(from: BootEnvironment, to: BootEnvironment): StepsAround {
  const spare = otherSlot(from.good);
  // Proven. Were it recorded first, the old slot might be overwritten while it is still the default.
  if (to.good !== from.good) return { before: [{ step: 'start_by_default', slot: to.good }], after: [] };
  // Armed. The record first: a trial that nobody remembers would be a try too many.
  if (from.trial === null && to.trial !== null) return { before: [], after: oneTry(spare) };
  // Condemned. The default goes back too: it had moved if the power went in the middle of a proof.
  if (from.trial !== null && to.trial === null) {
    return {
      before: [
        { step: 'start_once', slot: null },
        { step: 'start_by_default', slot: to.good },
        { step: 'withdraw', slot: spare },
      ],
      after: [],
    };
  }
  // About to be overwritten.
  const known = from.spare.kind === 'void' ? null : from.spare.content;
  if (to.spare.kind === 'writing' && to.spare.content !== known) {
    return { before: [{ step: 'withdraw', slot: spare }], after: [] };
  }
  return { before: [], after: [] };
}

/**
 * The steps that bring a boot loader in line with the record, when the agent starts: what was cut short is finished or taken
 * back, and what somebody else changed is put right. `bootId` names the running boot.
 */
export function repairSteps(record: BootEnvironment, loader: LoaderState, bootId: string): LoaderStep[] {
  const { good, trial } = record;
  const spare = otherSlot(good);
  const offered = (slot: SlotName) => loader.offered.includes(slot);
  const steps: LoaderStep[] = [];
  if (!offered(good)) steps.push({ step: 'offer', slot: good, tries: null });
  if (trial === null) {
    if (loader.once !== null) steps.push({ step: 'start_once', slot: null });
    if (loader.byDefault !== good) steps.push({ step: 'start_by_default', slot: good });
    // What has run is not taken away from under its own feet: it may be all that there is.
    const isUnvouched = record.last === null && record.spare.kind === 'void' && loader.booted !== spare;
    if ((record.spare.kind === 'writing' || isUnvouched) && offered(spare))
      steps.push({ step: 'withdraw', slot: spare });
    return steps;
  }
  if (loader.booted === spare) {
    if (loader.once !== null) steps.push({ step: 'start_once', slot: null });
    return steps;
  }
  if (loader.byDefault === null) steps.push({ step: 'start_by_default', slot: good });
  // The agent died between its record and the boot loader. In any later boot the one try counts as taken.
  if (trial.armedIn === bootId && loader.once !== spare) steps.push(...oneTry(spare));
  return steps;
}

/** The boot environment as it is: how many tries are left, only the boot loader knows. */
export function observed(record: BootEnvironment, loader: LoaderState): BootEnvironment {
  const { trial } = record;
  if (trial === null) return record;
  return { ...record, trial: { ...trial, triesLeft: loader.once === otherSlot(record.good) ? 1 : 0 } };
}
