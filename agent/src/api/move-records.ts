/**
 * The record of each move as everyone gets it: the host application and the backend, now and when it is replayed. What the
 * journal does not keep (how far the transfer was, the texts, the reason) is added once, with the move of a command and right
 * after any other, and kept.
 */
import { setImmediate } from 'node:timers/promises';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Activity, BusyReasonSchema, type StateChanged, StateChangedSchema } from '@iotdh/proto/agent/v1';
import type { StateChange } from '../machine/journal.ts';
import { eventOf, stateOf } from './names.ts';
import { pendingUpdateOf, progressOf } from './pending.ts';
import type { AgentMachine, UpdateView } from './port.ts';
import type { HostStore } from './store/open-store.ts';

export type MoveRecords = {
  /** The records of moves of the present journal; the same ones each time. */
  of(moves: readonly StateChange[]): StateChanged[];
  /** Makes the record of a move within the transaction of that move. */
  within(move: StateChange): void;
  /** Makes the records of all moves that have none yet, then of each new one until `signal` aborts. */
  follow(signal: AbortSignal): Promise<void>;
};

export type MoveRecordsOptions = { machine: AgentMachine; store: HostStore; view: UpdateView };

const activityWords = new Map<Activity, string>([
  [Activity.PROCEDURE, 'procedure'],
  [Activity.PREPARATION, 'preparation'],
  [Activity.SESSION, 'session'],
  [Activity.SERVICE, 'service'],
]);

const maxReasonLength = 500;
const batchSize = 256;

export function createMoveRecords({ machine, store, view }: MoveRecordsOptions): MoveRecords {
  function reasonOf({ event }: StateChange): string {
    if (event === 'integrity_fault') return machine.fault() ?? '';
    if (event !== 'sdk_cmdbusy') return '';
    const first = store.holds.all()[0];
    if (first === undefined) return '';
    const { activity, text } = fromBinary(BusyReasonSchema, first.reason);
    return text || (activityWords.get(activity) ?? '');
  }

  function build(move: StateChange): StateChanged {
    const { update } = move;
    const { decision } = machine.standing();
    return create(StateChangedSchema, {
      sequence: BigInt(move.sequence),
      from: stateOf(move.from),
      to: stateOf(move.to),
      event: eventOf(move.event),
      time: timestampFromMs(move.timeMs),
      ...(update === null
        ? {}
        : {
            progress: progressOf(move.to, update, view),
            pendingUpdate: pendingUpdateOf(update, decision, view),
          }),
      reason: reasonOf(move).slice(0, maxReasonLength),
    });
  }

  /** The kept record of each move, or a new one, written together. On a full disk it is made again next time. */
  function recordsOf(moves: readonly StateChange[]): StateChanged[] {
    const journalId = machine.standing().cursor.journal;
    const made: StateChanged[] = [];
    const records = moves.map((move) => {
      const kept = store.moves.get(journalId, move.sequence);
      if (kept !== null) return fromBinary(StateChangedSchema, kept);
      const record = build(move);
      made.push(record);
      return record;
    });
    if (made.length === 0) return records;
    store.write(() => {
      for (const record of made) keep(journalId, record);
    });
    return records;
  }

  const keep = (journalId: string, record: StateChanged) =>
    store.moves.put(journalId, Number(record.sequence), toBinary(StateChangedSchema, record));

  async function follow(signal: AbortSignal): Promise<void> {
    const { journal } = machine.standing().cursor;
    let sequence = Math.max(store.moves.newest(journal), machine.oldestSequence() - 1);
    while (!signal.aborted) {
      const missed = machine.movesAfter(sequence, batchSize);
      recordsOf(missed);
      sequence = missed.at(-1)?.sequence ?? sequence;
      if (missed.length < batchSize) break;
      // A store that was lost has thousands to catch up with, and the agent has other things to do.
      await setImmediate();
    }
    for await (const item of machine.moves({ journal, sequence }, signal)) {
      if (item.kind === 'changed') recordsOf([item.change]);
    }
  }

  return {
    of: recordsOf,
    within: (move) => keep(machine.standing().cursor.journal, build(move)),
    follow,
  };
}
