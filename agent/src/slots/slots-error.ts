/** The machine's slots are not as the agent's configuration says, or cannot be reached. */

export type SlotsErrorReason =
  /** The boot loader is another one, or lacks something that slots need. */
  | 'boot_loader_unfit'
  /** Neither slot runs, or the sources of that contradict each other. */
  | 'running_slot_unknown'
  /** A partition is missing, is not what it should be, or holds the agent's own folders. */
  | 'partition_unfit'
  /** The record of what the slots hold cannot be read. */
  | 'record_unreadable'
  /** A program or the firmware did not do what it was asked. */
  | 'order_failed';

/** `message` says what, on which slot, partition or path, and what to do. */
export class SlotsError extends Error {
  override readonly name = 'SlotsError';
  readonly reason: SlotsErrorReason;

  constructor(reason: SlotsErrorReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}
