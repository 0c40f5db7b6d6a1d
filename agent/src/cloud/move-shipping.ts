/** Sends every move of the machine to the cloud: the very record that the host application gets, once each, in order. */
import type { StateChanged } from '@iotdh/proto/agent/v1';
import { isFull, openDocument } from '../durable/document.ts';
import type { Changed, Cursor, StartOver } from '../machine/changes.ts';
import type { StateChange } from '../machine/journal.ts';
import type { Tell } from './tell.ts';

export type MoveShippingOptions = {
  /** Where it is kept how far it has come. */
  path: string;
  moves: (cursor: Cursor, signal: AbortSignal) => AsyncGenerator<Changed | StartOver, void, undefined>;
  journal: { readonly id: string; oldestSequence(): number };
  recordOf: (move: StateChange) => StateChanged | undefined;
  traceOf: (updateId: string) => string;
  tell: Tell;
  sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  onDamaged: (path: string) => void;
};

/** `updateId`: of the update that the last move was about, because a move may end it. */
type Shipped = Cursor & { updateId: string };

const retryMs = 5000;

/** Runs until the signal aborts. Rejects when a disk fails. */
export async function shipMoves(options: MoveShippingOptions, signal: AbortSignal): Promise<void> {
  const { path, moves, journal, recordOf, traceOf, tell, sleep, onDamaged } = options;
  const document = openDocument<Shipped>({
    path,
    read: (parsed) =>
      typeof parsed === 'object' && parsed !== null && 'sequence' in parsed ? (parsed as Shipped) : null,
    initial: { journal: journal.id, sequence: 0, updateId: '' },
    onDamaged,
  });
  let shipped = document.value;

  /** False: the disk is full. */
  function isKept(next: Shipped): boolean {
    try {
      document.write(next);
      return true;
    } catch (error) {
      if (isFull(error)) return false;
      throw error;
    }
  }

  while (!signal.aborted) {
    for await (const item of moves(shipped, signal)) {
      if (item.kind === 'start_over') {
        // Another journal, or one that has forgotten its beginning: what there is, is told.
        shipped = { ...shipped, journal: journal.id, sequence: journal.oldestSequence() - 1 };
        break;
      }
      const { change } = item;
      const updateId = change.update?.updateId ?? shipped.updateId;
      const record = recordOf(change);
      while (record !== undefined && !signal.aborted) {
        const told = await tell({ case: 'stateChanged', value: record }, traceOf(updateId));
        if (told.kind === 'told') break;
        await sleep(retryMs, signal);
      }
      if (signal.aborted) return;
      const keep = change.to === 'READY' ? '' : updateId;
      shipped = { journal: journal.id, sequence: change.sequence, updateId: keep };
      while (!isKept(shipped) && !signal.aborted) await sleep(retryMs, signal);
    }
  }
}
