/** Time as the engine sees it, so that tests own it. */

/** An armed timer; only its clock knows what is in it. */
export type Timer = { readonly dueMs: number };

export type Clock = {
  /** Wall-clock time, ms since 1970. */
  now(): number;
  /** Calls `callback` once, not before `delayMs` has passed. Pending timers do not keep the process alive. */
  setTimeout(callback: () => void, delayMs: number): Timer;
  clearTimeout(timer: Timer): void;
};

/** setTimeout's own limit (2^31 - 1 ms, 24.8 days); a longer delay would fire at once. */
const maxDelayMs = 2_147_483_647;

/** The machine's clock. */
export function createSystemClock(): Clock {
  const timers = new WeakMap<Timer, NodeJS.Timeout>();
  return {
    now: Date.now,
    setTimeout(callback, delayMs) {
      const timer = { dueMs: Date.now() + delayMs };
      timers.set(timer, setTimeout(callback, Math.min(delayMs, maxDelayMs)).unref());
      return timer;
    },
    clearTimeout: (timer) => clearTimeout(timers.get(timer)),
  };
}

/** A clock that stands still until it is moved. */
export type ManualClock = Clock & {
  /** Moves time forward, firing every timer that falls due on the way, each at its own time and in order. */
  advance(ms: number): void;
};

/** A clock for tests. `startMs` defaults to 2026-01-01T00:00:00Z. */
export function createManualClock(startMs: number = Date.UTC(2026, 0, 1)): ManualClock {
  let nowMs = startMs;
  const timers = new Map<Timer, () => void>();

  function earliestBefore(endMs: number): Timer | undefined {
    let earliest: Timer | undefined;
    for (const timer of timers.keys()) {
      if (timer.dueMs <= endMs && (earliest === undefined || timer.dueMs < earliest.dueMs)) earliest = timer;
    }
    return earliest;
  }

  return {
    now: () => nowMs,
    setTimeout(callback, delayMs) {
      const timer = { dueMs: nowMs + Math.max(0, delayMs) };
      timers.set(timer, callback);
      return timer;
    },
    clearTimeout(timer) {
      timers.delete(timer);
    },
    advance(ms) {
      const endMs = nowMs + ms;
      for (let timer = earliestBefore(endMs); timer !== undefined; timer = earliestBefore(endMs)) {
        const callback = timers.get(timer);
        timers.delete(timer);
        nowMs = Math.max(nowMs, timer.dueMs);
        callback?.();
      }
      nowMs = endMs;
    },
  };
}
