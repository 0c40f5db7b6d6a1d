/** Things that happen one after the other, and a way to wait for one. */

export type Seen<T> = {
  readonly all: readonly T[];
  add(item: T): void;
  /** The first that fits, of those from `since` on (default: all). Rejects when the signal aborts or `fail` was called. */
  find(fits: (item: T) => boolean, signal: AbortSignal, since?: number): Promise<T>;
  /** Nothing more will happen: whoever waits is told why. */
  fail(reason: unknown): void;
};

/** `onAdd` is told of each before anybody who waits. */
export function createSeen<T>(onAdd: (item: T) => void = () => {}): Seen<T> {
  const all: T[] = [];
  const waiting = new Set<{ tell(item: T): void; reject(reason: unknown): void }>();
  let failure: { reason: unknown } | undefined;
  return {
    all,
    add(item) {
      all.push(item);
      onAdd(item);
      for (const { tell } of [...waiting]) tell(item);
    },
    find(fits, signal, since = 0) {
      const found = all.slice(since).find(fits);
      if (found !== undefined) return Promise.resolve(found);
      if (failure !== undefined) return Promise.reject(failure.reason);
      return new Promise((resolve, reject) => {
        const end = () => {
          waiting.delete(waiter);
          signal.removeEventListener('abort', give);
        };
        const give = () => {
          end();
          reject(signal.reason);
        };
        const waiter = {
          tell(item: T) {
            if (!fits(item)) return;
            end();
            resolve(item);
          },
          reject(reason: unknown) {
            end();
            reject(reason);
          },
        };
        if (signal.aborted) return reject(signal.reason);
        signal.addEventListener('abort', give);
        waiting.add(waiter);
      });
    },
    fail(reason) {
      failure ??= { reason };
      for (const { reject } of [...waiting]) reject(reason);
    },
  };
}
