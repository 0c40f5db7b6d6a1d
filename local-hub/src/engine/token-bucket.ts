/**
 * A rate limit that first delays and then refuses ("traffic shaping"): unused capacity is saved up for bursts, excess waits
 * in order, and what would wait too long is refused at once.
 */
import type { Clock, Timer } from './clock.ts';

export type TokenBucket = {
  /** Resolves to true when the operation may go on, or to false when it is refused. */
  take(cost: number): Promise<boolean>;
  /** How many operations had to wait, and how many were refused, since it was made. */
  readonly excess: { readonly delayed: number; readonly refused: number };
  /** Refuses those that wait. */
  stop(): void;
};

export type TokenBucketOptions = {
  clock: Clock;
  perSecond: number;
  /** How much is saved up when nothing happens, as time at the full rate, ms. */
  burstMs: number;
  /** Operations that would wait longer are refused, ms. */
  maxWaitMs: number;
};

type Waiting = { cost: number; resolve(go: boolean): void };

const allowed = Promise.resolve(true);
const refused = Promise.resolve(false);
/** Sums of fractions of tokens are never exact. */
const tolerance = 1e-6;

/** Creates a bucket that is full. One timer serves all that wait. */
export function createTokenBucket({ clock, perSecond, burstMs, maxWaitMs }: TokenBucketOptions): TokenBucket {
  const perMs = perSecond / 1000;
  const capacity = Math.max(1, perMs * burstMs);
  let waiting: Waiting[] = [];
  /** Where `waiting` begins: taking from the front of a long array would be slow. */
  let head = 0;
  let waitingCost = 0;
  let tokens = capacity;
  let filledAtMs = clock.now();
  let timer: Timer | undefined;
  const excess = { delayed: 0, refused: 0 };

  function fill(): void {
    const nowMs = clock.now();
    // A wall clock may be set back.
    tokens = Math.min(capacity, tokens + Math.max(0, nowMs - filledAtMs) * perMs);
    filledAtMs = nowMs;
  }

  /** What an operation must find: one larger than the bucket goes when the bucket is full, and leaves a debt. */
  const needed = (cost: number) => Math.min(cost, capacity);

  function msUntil(wanted: number): number {
    const missing = wanted - tokens;
    return missing <= tolerance ? 0 : Math.ceil(missing / perMs - tolerance);
  }

  function release(): void {
    fill();
    for (let next = waiting[head]; next !== undefined; next = waiting[head]) {
      const delayMs = msUntil(needed(next.cost));
      if (delayMs > 0) {
        timer ??= clock.setTimeout(() => {
          timer = undefined;
          release();
        }, delayMs);
        return;
      }
      head += 1;
      waitingCost -= next.cost;
      tokens -= next.cost;
      next.resolve(true);
    }
    waiting = [];
    head = 0;
  }

  return {
    excess,
    take(cost) {
      release();
      const wait = msUntil(waitingCost + needed(cost));
      // Nobody waits then: whoever could go was released above.
      if (wait === 0) {
        tokens -= cost;
        return allowed;
      }
      if (wait > maxWaitMs) {
        excess.refused += 1;
        return refused;
      }
      excess.delayed += 1;
      waitingCost += cost;
      return new Promise((resolve) => {
        waiting.push({ cost, resolve });
        release();
      });
    },
    stop() {
      if (timer !== undefined) clock.clearTimeout(timer);
      timer = undefined;
      const left = waiting.slice(head);
      waiting = [];
      head = 0;
      waitingCost = 0;
      for (const { resolve } of left) resolve(false);
    },
  };
}
