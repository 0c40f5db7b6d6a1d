/**
 * What the boot loader and the agent agree on, as a value, and the only ways in which it changes: which slot is good, what
 * the other one holds, and whether it is on trial. Every function here is pure; an adapter makes each change durable at once.
 */

export const slotNames = ['a', 'b'] as const;
export type SlotName = (typeof slotNames)[number];

export const otherSlot = (slot: SlotName): SlotName => (slot === 'a' ? 'b' : 'a');

/** What the slot beside the good one holds. */
export type Spare =
  /** Anything: nobody may boot it. */
  | { kind: 'void' }
  /** Images of this content, of which `partitions` are written and were read back. */
  | { kind: 'writing'; content: string; partitions: readonly string[] }
  /** All images of this content, read back, and not touched since. */
  | { kind: 'whole'; content: string };

/** A slot that has one boot to prove itself. */
export type Trial = {
  /** Who armed it. */
  job: string;
  content: string;
  /** The boot in which it was armed: while it lasts, the machine has not been started anew. */
  armedIn: string;
  /** How often the boot loader may still start it. */
  triesLeft: number;
};

export type BootEnvironment = {
  version: 1;
  /** The slot that the machine comes up on unless another is on trial. */
  good: SlotName;
  spare: Spare;
  /** Of the spare slot, which is then whole. */
  trial: Trial | null;
  /** How the last trial ended. */
  last: { job: string; proven: boolean } | null;
};

/** A machine that came up on this slot for the first time. */
export const initialEnvironment = (good: SlotName): BootEnvironment => ({
  version: 1,
  good,
  spare: { kind: 'void' },
  trial: null,
  last: null,
});

/** The change is not allowed here; `reason` is for people. */
export type Refused = { kind: 'refused'; reason: string };
export type Changed = { kind: 'changed'; environment: BootEnvironment };

const changed = (environment: BootEnvironment): Changed => ({ kind: 'changed', environment });
const refused = (reason: string): Refused => ({ kind: 'refused', reason });

/** What a boot loader does: one try is taken off before the slot is started, so that a slot that hangs is started once. */
export function boot(environment: BootEnvironment): { slot: SlotName; environment: BootEnvironment } {
  const { good, trial } = environment;
  if (trial === null || trial.triesLeft < 1) return { slot: good, environment };
  const spent = { ...trial, triesLeft: trial.triesLeft - 1 };
  return { slot: otherSlot(good), environment: { ...environment, trial: spent } };
}

/** Says that the spare slot is about to be overwritten with this content; what of it is written already stays so. */
export function beginWriting(
  environment: BootEnvironment,
  booted: SlotName,
  content: string,
): Changed | Refused {
  const { good, spare, trial } = environment;
  if (trial !== null) return refused('the other slot is on trial');
  if (booted !== good) return refused('the machine runs the very slot that would be overwritten');
  if (spare.kind !== 'void' && spare.content === content) return changed(environment);
  return changed({ ...environment, spare: { kind: 'writing', content, partitions: [] } });
}

/** Says that this partition of the spare slot was written, flushed and read back. */
export function partitionWritten(
  environment: BootEnvironment,
  content: string,
  partition: string,
): Changed | Refused {
  const { spare } = environment;
  if (spare.kind !== 'writing' || spare.content !== content)
    return refused('this content is not being written');
  const partitions = [...new Set([...spare.partitions, partition])];
  return changed({ ...environment, spare: { ...spare, partitions } });
}

/** Says that `partitions` are all that the content has. */
export function allWritten(
  environment: BootEnvironment,
  content: string,
  partitions: readonly string[],
): Changed | Refused {
  const { spare } = environment;
  if (spare.kind === 'whole' && spare.content === content) return changed(environment);
  if (spare.kind !== 'writing' || spare.content !== content)
    return refused('this content is not being written');
  const missing = partitions.filter((name) => !spare.partitions.includes(name));
  if (missing.length > 0) return refused(`not written: ${missing.join(', ')}`);
  return changed({ ...environment, spare: { kind: 'whole', content } });
}

/** Has the spare slot started once, at the next boot. */
export function arm(environment: BootEnvironment, trial: Omit<Trial, 'triesLeft'>): Changed | Refused {
  const { spare } = environment;
  if (environment.trial !== null) return refused('the other slot is on trial');
  if (spare.kind !== 'whole' || spare.content !== trial.content) {
    return refused('the other slot does not hold the whole of this content');
  }
  return changed({ ...environment, trial: { ...trial, triesLeft: 1 } });
}

/** The slot on trial has proven itself and is the good one from now on; what was good may be overwritten. */
export function prove(environment: BootEnvironment, booted: SlotName): Changed | Refused {
  const { good, trial } = environment;
  if (trial === null || booted === good) return refused('the slot on trial is not running');
  const last = { job: trial.job, proven: true };
  return changed({ ...environment, good: booted, spare: { kind: 'void' }, trial: null, last });
}

/** The slot on trial has failed. It has run and is no longer what was read back, so nobody may boot it again. */
export function condemn(environment: BootEnvironment): Changed | Refused {
  const { trial } = environment;
  if (trial === null) return refused('no slot is on trial');
  const last = { job: trial.job, proven: false };
  return changed({ ...environment, spare: { kind: 'void' }, trial: null, last });
}
