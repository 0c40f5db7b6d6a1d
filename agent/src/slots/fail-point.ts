/** Named places around every durable step, where a test can cut the power: nothing else ever listens here. */

export const failPoints = [
  /** The other slot may not be booted from now on, nothing of it is overwritten. */
  'slot_void',
  /** A piece of an image is written and may not be on disk. */
  'piece_written',
  /** An image is flushed and was not read back. */
  'image_flushed',
  /** An image was read back, which is not written down. */
  'image_verified',
  'partition_recorded',
  /** The other slot is whole, and so recorded. */
  'slot_whole',
  /** It will be started at the next boot; the machine was not asked to restart. */
  'slot_armed',
  /** The new system runs, and nothing was checked. */
  'before_checks',
  'checks_passed',
  /** The new system is the good one; nobody was told. */
  'marked_good',
  /** The new system was given up; the machine still runs it. */
  'slot_condemned',
] as const;
export type FailPoint = (typeof failPoints)[number];

/** Called at each point with the partition's name or, for the slot as a whole, ''. */
export type OnFailPoint = (point: FailPoint, subject: string) => void;
