/** Time, passed in. */

export type Clock = {
  /** The wall clock, in ms since 1970. It may jump. */
  now(): number;
  /** Calls back once after `ms`. Returns what cancels it. */
  after(ms: number, callback: () => void): () => void;
};
