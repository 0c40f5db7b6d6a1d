/** The machine's own time, for tests. */
import type { Clock } from '../clock.ts';

export const realClock: Clock = {
  now: Date.now,
  monotonicMs: () => performance.now(),
  after(ms, callback) {
    // A timer of Node holds at most 2^31 - 1 ms.
    const timer = setTimeout(callback, Math.min(ms, 0x7fffffff));
    return () => clearTimeout(timer);
  },
};
