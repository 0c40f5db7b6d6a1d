/** Named places around every durable step, where a test can kill the process: nothing else ever listens here. */

export const failPoints = [
  /** The journal does not exist yet. */
  'before_journal',
  /** It does, and nothing was done. */
  'after_journal',
  /** A step's beginning is written, it is not begun. Subject: the step. */
  'step_begun',
  /** A step has done its work, its end is not written. */
  'step_done',
  /** A step's end is written. */
  'step_ended',
  /** One file of a set lies in the stage. */
  'file_staged',
  /** A root that is to be replaced is out of its place, and nothing is in it. */
  'root_moved_out',
  /** The new root is in its place. */
  'root_moved_in',
  /** The files that a merge replaces are kept, none is replaced. */
  'files_kept',
  /** One file of a merge is replaced or removed. */
  'file_replaced',
  /** The old settings are noted, none is changed. */
  'settings_noted',
  /** One connection has its new settings. */
  'settings_written',
  /** What was there before a component is noted, nothing is changed. */
  'version_noted',
  /** A product's version is in the register, or is taken back there. */
  'version_set',
  /** One script of several is over. */
  'script_over',
  /** The transaction is decided: it is to be undone. */
  'undo_decided',
  /** The new root is out of its place again. */
  'root_taken_out',
  /** The old root is back. */
  'root_put_back',
  /** One file of a merge is back. */
  'file_put_back',
  /** One connection has its old settings again. */
  'settings_put_back',
  /** The transaction is decided: it stays. */
  'commit_decided',
  /** What one component had kept for undoing is gone. */
  'kept_removed',
  /** The outcome is not written yet. */
  'before_outcome',
  /** The outcome is written; nobody was told. */
  'after_outcome',
] as const;
export type FailPoint = (typeof failPoints)[number];

/** Called at each point with the component's or the step's name. */
export type OnFailPoint = (point: FailPoint, subject: string) => void;
