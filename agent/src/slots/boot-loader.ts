/**
 * A boot loader that is not ours: what it can be asked and told. Unlike a boot environment of our own it takes each order by
 * itself, so `loader-steps.ts` says in which order it is told what, and what is put right after a power cut in between.
 */
import type { SlotName } from './boot-environment.ts';

export type LoaderState = {
  /** The slot that runs. */
  booted: SlotName;
  /** The slot that is started when nothing else was asked for; null: the boot loader was never told. */
  byDefault: SlotName | null;
  /** The slot that is started at the next boot alone. */
  once: SlotName | null;
  /** The slots that can be started at all, be it by a person at the menu. */
  offered: readonly SlotName[];
};

/**
 * Every order is durable when it resolves, may be given again, and, cut short, has happened or has not. Everything throws
 * a SlotsError when the machine is not as the agent's configuration says.
 */
export type BootLoader = {
  read(): Promise<LoaderState>;
  /** Makes a slot one that can be started. `tries`: how often at most, until it is the default; null: no limit. */
  offer(slot: SlotName, tries: number | null): Promise<void>;
  /** Nobody can start this slot from now on. */
  withdraw(slot: SlotName): Promise<void>;
  /** The boot loader forgets it before it starts the slot. Null: takes it back. */
  startOnce(slot: SlotName | null): Promise<void>;
  startByDefault(slot: SlotName): Promise<void>;
};
