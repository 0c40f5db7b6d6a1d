/**
 * Documents of one kind, in memory and on disk. Readers see a change at once; whoever made it is told when it is durable,
 * and a change that could not be written is taken back.
 */
import type { DocumentKind, Store } from '../store/store.ts';

export type Collection<T> = {
  get(id: string): T | undefined;
  has(id: string): boolean;
  readonly size: number;
  ids(): Iterable<string>;
  values(): Iterable<T>;
  entries(): Iterable<[string, T]>;
  /** Resolves when durable. Treat `value` as frozen from here on. Rejects with HubError `StorageUnavailable`. */
  put(id: string, value: T): Promise<void>;
  remove(id: string): Promise<void>;
};

/** Reads all documents of `kind`. */
export function openCollection<T>(documents: Store['documents'], kind: DocumentKind): Collection<T> {
  const current = new Map<string, T>();
  for (const { id, value } of documents.load<T>(kind)) current.set(id, value);
  /** Per id with writes under way: what is on disk, and how many writes there are. */
  const underWay = new Map<string, { durable: T | undefined; count: number }>();

  function set(id: string, value: T | undefined): void {
    if (value === undefined) current.delete(id);
    else current.set(id, value);
  }

  async function write(id: string, value: T | undefined): Promise<void> {
    const state = underWay.get(id) ?? { durable: current.get(id), count: 0 };
    underWay.set(id, state);
    state.count += 1;
    set(id, value);
    try {
      await (value === undefined ? documents.remove(kind, id) : documents.put(kind, id, value));
      state.durable = value;
    } finally {
      state.count -= 1;
      if (state.count === 0) {
        underWay.delete(id);
        // Writes end in the order in which they began: this is what the last one that succeeded left.
        if (current.get(id) !== state.durable) set(id, state.durable);
      }
    }
  }

  return {
    get: (id) => current.get(id),
    has: (id) => current.has(id),
    get size() {
      return current.size;
    },
    ids: () => current.keys(),
    values: () => current.values(),
    entries: () => current.entries(),
    put: write,
    remove: (id) => write(id, undefined),
  };
}
