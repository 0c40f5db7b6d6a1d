/** A clock that a test sets. */
import type { Clock } from '../clock.ts';

export type ManualClock = Clock & {
  /** Lets this much time pass, and has everything called that falls due. */
  advance(ms: number): void;
  /** Resolves once somebody waits for exactly this long. */
  waitedFor(ms: number): Promise<void>;
};

export function createManualClock(): ManualClock {
  let nowMs = 0;
  let timers: { ms: number; dueMs: number; callback: () => void }[] = [];
  const watchers = new Set<() => void>();
  return {
    monotonicMs: () => nowMs,
    after(ms, callback) {
      const timer = { ms, dueMs: nowMs + ms, callback };
      timers.push(timer);
      for (const look of [...watchers]) look();
      return () => {
        timers = timers.filter((one) => one !== timer);
      };
    },
    advance(ms) {
      nowMs += ms;
      const due = timers.filter(({ dueMs }) => dueMs <= nowMs);
      timers = timers.filter(({ dueMs }) => dueMs > nowMs);
      for (const { callback } of due) callback();
    },
    waitedFor: (ms) =>
      new Promise((resolve) => {
        const look = () => {
          if (!timers.some((timer) => timer.ms === ms)) return;
          watchers.delete(look);
          resolve();
        };
        watchers.add(look);
        look();
      }),
  };
}
