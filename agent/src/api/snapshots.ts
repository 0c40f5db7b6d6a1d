/** The agent as it is now, in the contract's words. */
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { type StateSnapshot, StateSnapshotSchema } from '@iotdh/proto/agent/v1';
import type { Clock } from './clock.ts';
import type { Holds } from './holds.ts';
import { stateOf } from './names.ts';
import { pendingUpdateOf, progressOf } from './pending.ts';
import type { AgentMachine, UpdateView } from './port.ts';
import type { HostStore } from './store/open-store.ts';

export type SnapshotsOptions = {
  machine: AgentMachine;
  view: UpdateView;
  holds: Holds;
  store: HostStore;
  clock: Clock;
};

export function createSnapshots({
  machine,
  view,
  holds,
  store,
  clock,
}: SnapshotsOptions): () => StateSnapshot {
  /** Since when an agent that has never moved is in BUSY. */
  function begunMs(): number {
    const kept = store.facts.get('begun');
    if (kept !== null) return Number(Buffer.from(kept).toString());
    const now = clock.now();
    store.write(() => store.facts.put('begun', Buffer.from(String(now))));
    return now;
  }
  const begun = begunMs();

  return () => {
    const { state, update, decision, cursor } = machine.standing();
    const last = machine.movesAfter(cursor.sequence - 1, 1)[0];
    return create(StateSnapshotSchema, {
      journalId: cursor.journal,
      sequence: BigInt(cursor.sequence),
      state: stateOf(state),
      stateTime: timestampFromMs(last?.timeMs ?? begun),
      ...(update === null
        ? {}
        : {
            progress: progressOf(state, update, view),
            pendingUpdate: pendingUpdateOf(update, decision, view),
          }),
      holds: holds.list(),
    });
  };
}
