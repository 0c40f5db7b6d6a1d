/** The stream of state changes: resumable after any sequence that is still kept, woken by the next one, never polling. */
import type { Journal, StateChange } from './journal.ts';

/** How far a subscriber has come. */
export type Cursor = { journal: string; sequence: number };

/** The last item of a stream that cannot go on without a gap: read the current state and subscribe from there. */
export type StartOver = { kind: 'start_over'; now: Cursor };
export type Changed = { kind: 'changed'; change: StateChange };

export type Changes = {
  /**
   * Every change after `cursor`, old ones first, then new ones as they happen. Ends when `signal` aborts, or with
   * `start_over` when the cursor is of another journal, from the future, or older than the history that is kept.
   */
  after(cursor: Cursor, signal: AbortSignal): AsyncGenerator<Changed | StartOver, void, undefined>;
  /** Tells the streams that there is something new. */
  wake(): void;
};

/** How many changes are read at once. */
const batchSize = 256;

export function createChanges(journal: Journal): Changes {
  const sleepers = new Set<() => void>();

  /** Until the next `wake` or the signal. */
  function sleep(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const rise = () => {
        sleepers.delete(rise);
        signal.removeEventListener('abort', rise);
        resolve();
      };
      sleepers.add(rise);
      signal.addEventListener('abort', rise);
    });
  }

  async function* after(
    cursor: Cursor,
    signal: AbortSignal,
  ): AsyncGenerator<Changed | StartOver, void, undefined> {
    let sequence = cursor.sequence;
    while (!signal.aborted) {
      const gap = sequence + 1 < journal.oldestSequence() || sequence > journal.sequence();
      if (gap || cursor.journal !== journal.id) {
        yield { kind: 'start_over', now: { journal: journal.id, sequence: journal.sequence() } };
        return;
      }
      const changes = journal.changesAfter(sequence, batchSize);
      if (changes.length === 0) await sleep(signal);
      for (const change of changes) {
        if (signal.aborted) return;
        yield { kind: 'changed', change };
        sequence = change.sequence;
      }
    }
  }

  return {
    after,
    wake() {
      for (const rise of [...sleepers]) rise();
    },
  };
}
