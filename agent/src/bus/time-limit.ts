/** Bounds what may never settle, of which the SDK has several. */
import type { Clock } from './clock.ts';

export type Limited<T> =
  | { kind: 'settled'; value: T }
  | { kind: 'failed'; error: unknown }
  | { kind: 'timed_out' };

/** Waits for a promise at most that long. What it does afterwards is ignored. Never rejects. */
export function within<T>(ms: number, clock: Clock, promise: Promise<T>): Promise<Limited<T>> {
  return new Promise((resolve) => {
    const cancel = clock.after(ms, () => resolve({ kind: 'timed_out' }));
    function end(outcome: Limited<T>): void {
      cancel();
      resolve(outcome);
    }
    promise.then(
      (value) => end({ kind: 'settled', value }),
      (error: unknown) => end({ kind: 'failed', error }),
    );
  });
}
