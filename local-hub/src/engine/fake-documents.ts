/**
 * For tests: documents that live in memory, whose writes can be held back or refused. What survives in `stored` is what
 * another engine would find after a restart.
 */
import type { DocumentKind, Store } from '../store/store.ts';
import { HubError } from './error.ts';

export type FakeDocuments = Pick<Store, 'documents' | 'atomically'> & {
  /** What is durable: JSON text by `kind/id`. */
  stored: Map<string, string>;
  /** Writes from now on wait. */
  hold(): void;
  /** Lets the writes that wait succeed, in order. */
  release(): void;
  /** Makes the writes that wait, or the next one if none does, fail. */
  fail(): void;
};

/** `stored` carries documents over from another, as from before a restart. */
export function createFakeDocuments(stored = new Map<string, string>()): FakeDocuments {
  let holding = false;
  let failNext = false;
  let waiting: { commit(): void; refuse(): void }[] = [];

  function write(key: string, text: string | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const commit = () => {
        if (text === undefined) stored.delete(key);
        else stored.set(key, text);
        resolve();
      };
      const refuse = () => reject(new HubError('StorageUnavailable', `Writing ${key} failed`));
      if (failNext) refuse();
      else if (holding) waiting.push({ commit, refuse });
      else commit();
      failNext = false;
    });
  }

  function settle(how: 'commit' | 'refuse'): void {
    const settled = waiting;
    waiting = [];
    holding = false;
    for (const each of settled) each[how]();
  }

  return {
    stored,
    documents: {
      *load<T>(kind: DocumentKind) {
        for (const [key, text] of stored) {
          if (key.startsWith(`${kind}/`))
            yield { id: key.slice(kind.length + 1), value: JSON.parse(text) as T };
        }
      },
      put: (kind, id, value) => write(`${kind}/${id}`, JSON.stringify(value)),
      remove: (kind, id) => write(`${kind}/${id}`, undefined),
    },
    atomically: (fn) => fn(),
    hold() {
      holding = true;
    },
    release: () => settle('commit'),
    fail() {
      if (waiting.length === 0) failNext = true;
      settle('refuse');
    },
  };
}
