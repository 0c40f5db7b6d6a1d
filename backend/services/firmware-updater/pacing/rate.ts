/**
 * How many messages a minute may go to the hub: a token bucket whose rate gives way when the hub throttles and comes back
 * slowly. IoT Hub counts C2D sends for the whole hub, so other senders, and other replicas, take from the same.
 */

export type RateOptions = {
  /** Messages a minute; `off` for no limit until the hub throttles. */
  perMinute: number | 'off';
  /** What may go at once after a pause, as a share of the minute. Default 0.1. */
  burst?: number;
};

export type Rate = {
  /** Takes the right to send one message. Answers 0, or after how many ms to try again, with nothing taken. */
  take(nowMs: number): number;
  /** The right was not used. */
  giveBack(): void;
  /** The hub throttled: half the rate, at most once a second, and nothing for a while. */
  throttled(nowMs: number): void;
  /** Nothing before then. */
  pauseUntil(untilMs: number): void;
  /** What holds now; Infinity without a limit. */
  perMinute(nowMs: number): number;
};

const minuteMs = 60_000;
/** A throttled hub keeps what is too fast waiting for some seconds before it refuses, so it needs a moment to drain. */
const pauseAfterThrottleMs = 2_000;
const halveEveryMs = 1_000;
/** The rate doubles in this time until it is what it was. */
const doubleInMs = 30_000;
/** Of a limit of ours, and without one: the smallest hub takes 100 a minute, so half of that is never too much for long. */
const leastShare = 1 / 32;
const leastPerMinute = 50;
/** Without a limit of our own, what was sent in this time tells how much was too much. */
const measureMs = 10_000;
/** A limit that has recovered to so many times what was too much is none any more. */
const forgetAtTimes = 16;

export function createRate({ perMinute: given, burst = 0.1 }: RateOptions): Rate {
  const most = given === 'off' ? Number.POSITIVE_INFINITY : given;
  const least = Number.isFinite(most) ? most * leastShare : leastPerMinute;
  /** The rate after the last throttle, and when that was; undefined: none to recover from. */
  let reduced: { perMinute: number; atMs: number } | undefined;
  let tokens = Number.isFinite(most) ? Math.max(1, most * burst) : 0;
  let filledMs = 0;
  let pausedUntilMs = 0;
  let recent = { fromMs: 0, count: 0, before: 0 };
  let latestMs = 0;

  /** A clock that is set back takes every time with it: what is left of a pause stays, and nothing that was filled is taken away. */
  function follow(nowMs: number): void {
    const backMs = Math.max(0, latestMs - nowMs);
    latestMs = nowMs;
    filledMs -= backMs;
    pausedUntilMs -= backMs;
    recent.fromMs -= backMs;
    if (reduced !== undefined) reduced.atMs -= backMs;
  }

  function current(nowMs: number): number {
    if (reduced === undefined) return most;
    const grown = reduced.perMinute * 2 ** ((nowMs - reduced.atMs) / doubleInMs);
    const limit = Number.isFinite(most) ? most : reduced.perMinute * forgetAtTimes;
    if (grown < limit) return grown;
    reduced = undefined;
    return most;
  }

  function fill(nowMs: number, perMinute: number): void {
    const capacity = Math.max(1, perMinute * burst);
    tokens = Math.min(capacity, tokens + ((nowMs - filledMs) * perMinute) / minuteMs);
    filledMs = nowMs;
  }

  /** Begins a new span of measurement once the last one is over. */
  function measure(nowMs: number): void {
    const elapsed = nowMs - recent.fromMs;
    if (elapsed < measureMs) return;
    recent = { fromMs: nowMs, count: 0, before: elapsed < 2 * measureMs ? recent.count : 0 };
  }

  return {
    take(nowMs) {
      follow(nowMs);
      if (nowMs < pausedUntilMs) return pausedUntilMs - nowMs;
      const perMinute = current(nowMs);
      if (Number.isFinite(perMinute)) {
        fill(nowMs, perMinute);
        if (tokens < 1) return Math.ceil(((1 - tokens) * minuteMs) / perMinute);
        tokens -= 1;
      } else filledMs = nowMs;
      measure(nowMs);
      recent.count += 1;
      return 0;
    },
    giveBack() {
      tokens += 1;
      recent.count -= 1;
    },
    throttled(nowMs) {
      follow(nowMs);
      if (reduced !== undefined && nowMs - reduced.atMs < halveEveryMs) return;
      const rate = current(nowMs);
      measure(nowMs);
      const measured = Math.max(recent.count, recent.before) * (minuteMs / measureMs);
      const halved = (Number.isFinite(rate) ? rate : measured) / 2;
      reduced = { perMinute: Math.max(least, halved), atMs: nowMs };
      tokens = 0;
      filledMs = nowMs;
      this.pauseUntil(nowMs + pauseAfterThrottleMs);
    },
    pauseUntil(untilMs) {
      pausedUntilMs = Math.max(pausedUntilMs, untilMs);
    },
    perMinute: current,
  };
}
