/** Does something to many things, a few at a time. */

/** The results in the order of the items. The first failure ends it, once what is under way has settled. */
export async function inParallel<Item, Result>(
  items: readonly Item[],
  limit: number,
  work: (item: Item, signal: AbortSignal) => Promise<Result>,
  signal: AbortSignal,
): Promise<Result[]> {
  const results: Result[] = new Array(items.length);
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  let next = 0;
  async function worker(): Promise<void> {
    while (next < items.length && !either.aborted) {
      const index = next;
      next += 1;
      try {
        results[index] = await work(items[index] as Item, either);
      } catch (error) {
        failed.abort(error);
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  signal.throwIfAborted();
  failed.signal.throwIfAborted();
  return results;
}
