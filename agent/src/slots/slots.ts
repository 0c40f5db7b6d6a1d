/**
 * Two slots for the machine's partitions, whatever boot loader chooses between them: one that is known to be good, and a
 * spare one to be written and tried. An adapter for a boot loader keeps the meaning of `BootEnvironment` in that boot
 * loader's own way.
 */
import type { BootEnvironment, Refused, SlotName, Trial } from './boot-environment.ts';

/** Where the machine stands. */
export type Inspection = { booted: SlotName; environment: BootEnvironment };

/** A partition's image on disk. */
export type Image = {
  path: string;
  /** SHA-256 in lower-case hex. */
  digest: string;
  /** The smallest partition that it fits. */
  minPartitionBytes: number;
};

/** What a slot's partition holds, where this process may read it: the first bytes of a block device or of a file. */
export type HeldImage = {
  partition: string;
  path: string;
  /** How much there is to read. */
  bytes: number;
  /**
   * What was written there and read back; null: nobody knows, as of what the factory wrote. A system that mounts it for writing
   * changes it, so that its digest has to be computed before it is relied on.
   */
  image: { digest: string; size: number } | null;
};

/** Expected ends of writing an image; a throw means that the surroundings failed, such as a full disk. */
export type ImageEnd =
  | { kind: 'written'; bytes: number }
  /** What was written is not what the digest says, in the source or as read back, or it does not fit. */
  | { kind: 'unfit'; reason: string }
  | { kind: 'stopped' };

export type Slots = {
  inspect(): Promise<Inspection>;
  /** How large the partition is in either slot; null when there is no such partition. */
  partitionBytes(partition: string): Promise<number | null>;
  /** Of both slots. Empty where partitions hold no images, or not for this process to read. */
  images(): Promise<HeldImage[]>;
  /** From now on nobody boots the spare slot, until `finish`. Kept: the partitions of the same content. */
  begin(content: string): Promise<Refused | null>;
  /**
   * Writes an image into the spare slot, flushes it, reads it back and records it. Idempotent: an image of this content that
   * is recorded is not written again.
   */
  write(content: string, partition: string, image: Image, signal: AbortSignal): Promise<ImageEnd>;
  /** Says that these partitions are all of the content. */
  finish(content: string, partitions: readonly string[]): Promise<Refused | null>;
  /** Has the spare slot started at the next boot, and only at that. */
  arm(trial: Omit<Trial, 'triesLeft'>): Promise<Refused | null>;
  /** Keeps the running slot, which is on trial. */
  markGood(): Promise<Refused | null>;
  /** Gives up the slot on trial: the next boot is of the good slot. */
  condemn(): Promise<Refused | null>;
};
