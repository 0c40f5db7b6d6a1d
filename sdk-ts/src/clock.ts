/** Time, passed in so that tests need not wait. */

export type Clock = {
  /** In ms since some instant; never jumps. */
  monotonicMs(): number;
  /** Calls back once after `ms`; `background`: without keeping a Node.js process alive. Returns what cancels it. */
  after(ms: number, callback: () => void, background?: boolean): () => void;
};

export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  after(ms, callback, background = false) {
    const timer: unknown = setTimeout(callback, ms);
    // A timer is an object in Node.js, and a number in browsers, where nothing needs to be kept from ending.
    if (background && typeof timer === 'object') (timer as { unref?: () => void } | null)?.unref?.();
    return () => clearTimeout(timer as number);
  },
};

/** Resolves after `ms`, or at once when the signal aborts. */
export function sleep(clock: Clock, ms: number, signal: AbortSignal, background = false): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const end = () => {
      cancel();
      signal.removeEventListener('abort', end);
      resolve();
    };
    const cancel = clock.after(ms, end, background);
    signal.addEventListener('abort', end);
  });
}

const firstBackoffMs = 100;
const maxBackoffMs = 5000;

/** How long to wait after this many failures in a row: doubled each time, and anything between half and all of it. */
export function backoffMs(failures: number, random: () => number): number {
  const ms = Math.min(firstBackoffMs * 2 ** Math.min(failures - 1, 10), maxBackoffMs);
  return ms / 2 + (random() * ms) / 2;
}
