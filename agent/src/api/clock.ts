/** Time, passed in: the wall clock for records, which may jump, and a monotonic one for what lasts. */

export type Clock = {
  /** In ms since 1970. */
  now(): number;
  /** In ms since some instant; never jumps. */
  monotonicMs(): number;
  /** Calls back once after `ms`. Returns what cancels it. */
  after(ms: number, callback: () => void): () => void;
};

/** Longer timers of Node.js fire at once. */
const maxTimerMs = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, Math.min(Math.max(ms, 0), maxTimerMs));
    return () => clearTimeout(timer);
  },
};
