/** Time, passed in. */

export type Clock = {
  /** The wall clock, in ms since 1970. It may jump. */
  now(): number;
  /** In ms since some instant; never jumps. */
  monotonicMs(): number;
  /** Calls back once after `ms`. Returns what cancels it. */
  after(ms: number, callback: () => void): () => void;
};
