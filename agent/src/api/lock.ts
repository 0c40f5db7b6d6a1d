/** One after the other, in the order of the calls. */

export type Lock = {
  /** Runs `work` when everything before it has settled. */
  run<T>(work: () => Promise<T> | T): Promise<T>;
};

export function createLock(): Lock {
  let last: Promise<unknown> = Promise.resolve();
  return {
    run(work) {
      const result = last.then(work);
      last = result.catch(() => undefined);
      return result;
    },
  };
}
