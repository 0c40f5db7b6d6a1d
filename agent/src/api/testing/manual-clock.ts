/** A clock that a test sets. */
import type { Clock } from '../clock.ts';

export type ManualClock = Clock & {
  /** Lets this much time pass, and has everything called that falls due. */
  advance(ms: number): void;
  /** Sets the wall clock alone, as an administrator or NTP would. */
  jump(ms: number): void;
};

export function createManualClock(startMs = Date.UTC(2026, 0, 1)): ManualClock {
  let wallMs = startMs;
  let monotonicMs = 0;
  let timers: { dueMs: number; callback: () => void }[] = [];
  return {
    now: () => wallMs,
    monotonicMs: () => monotonicMs,
    after(ms, callback) {
      const timer = { dueMs: monotonicMs + ms, callback };
      timers.push(timer);
      return () => {
        timers = timers.filter((one) => one !== timer);
      };
    },
    jump(ms) {
      wallMs += ms;
    },
    advance(ms) {
      wallMs += ms;
      monotonicMs += ms;
      for (;;) {
        const due = timers.filter(({ dueMs }) => dueMs <= monotonicMs);
        if (due.length === 0) return;
        timers = timers.filter(({ dueMs }) => dueMs > monotonicMs);
        for (const { callback } of due) callback();
      }
    },
  };
}
