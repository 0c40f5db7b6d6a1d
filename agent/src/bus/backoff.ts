/** How long to wait before the next attempt. */

export type BackoffOptions = {
  /** Most that the first wait lasts, in ms. Default 1,000; doubled each time, … */
  baseMs?: number;
  /** … up to this. Default 60,000. */
  maxMs?: number;
  /** 0 to 1. */
  random: () => number;
};

/** Full jitter (Brooker, "Exponential Backoff and Jitter"): between 0 and a limit that doubles, so that a fleet spreads out. */
export function waitMs(attempt: number, { baseMs = 1_000, maxMs = 60_000, random }: BackoffOptions): number {
  return Math.round(random() * Math.min(maxMs, baseMs * 2 ** Math.min(attempt - 1, 30)));
}
