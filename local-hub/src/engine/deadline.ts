/** One timer for many deadlines: it fires at the earliest, and its owner finds out which have passed. */
import type { Clock, Timer } from './clock.ts';

export type DeadlineOptions = {
  clock: Clock;
  /** Runs that are due sooner after the last one wait this long, so that many close deadlines cost one run. */
  minIntervalMs: number;
  /** Handles what is due at `nowMs` and returns the next deadline, Infinity for none. */
  run(nowMs: number): number;
};

export type Deadline = {
  /** Sees to it that `run` is called at `deadlineMs` or, within the interval, soon after. Cheap when already arranged. */
  by(deadlineMs: number): void;
  stop(): void;
};

export function createDeadline({ clock, minIntervalMs, run }: DeadlineOptions): Deadline {
  let timer: Timer | undefined;
  let armedMs = Number.POSITIVE_INFINITY;
  let lastRunMs = Number.NEGATIVE_INFINITY;
  let stopped = false;

  function fire(): void {
    timer = undefined;
    armedMs = Number.POSITIVE_INFINITY;
    lastRunMs = clock.now();
    by(run(lastRunMs));
  }

  function by(deadlineMs: number): void {
    if (stopped || deadlineMs >= armedMs) return;
    const nowMs = clock.now();
    const dueMs = Math.max(deadlineMs, lastRunMs + minIntervalMs, nowMs);
    if (dueMs >= armedMs) return;
    if (timer !== undefined) clock.clearTimeout(timer);
    armedMs = dueMs;
    timer = clock.setTimeout(fire, dueMs - nowMs);
  }

  return {
    by,
    stop() {
      stopped = true;
      if (timer !== undefined) clock.clearTimeout(timer);
    },
  };
}
