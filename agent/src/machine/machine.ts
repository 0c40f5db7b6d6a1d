/**
 * `next`, made durable: an event is accepted only once the journal holds what follows from it. Everything here happens
 * between two turns of the event loop, so events are accepted strictly one after the other.
 */
import { type Changes, type Cursor, createChanges } from './changes.ts';
import { isActivity } from './effect.ts';
import type { MachineEvent } from './event.ts';
import type { OnFailPoint } from './fail-point.ts';
import type { Entry, Journal, NotRecorded, StateChange } from './journal.ts';
import { next, type Refused } from './next.ts';
import { pendingUpdate, type Snapshot } from './snapshot.ts';
import type { EventName } from './table.ts';

export type MachineOptions = {
  journal: Journal;
  /** The time in ms since 1970. */
  now: () => number;
  onFailPoint?: OnFailPoint;
};

/** What became of an event. Only `moved` and `noted` are durable and have effects. */
export type Answer = { kind: 'moved'; change: StateChange } | { kind: 'noted' } | Refused | NotRecorded;

/**
 * Writes what has to change together with the machine, in the transaction of an event that counts; everything it reads of
 * the machine is as after the event. `change` is null when the event is only noted.
 */
export type Alongside = (change: StateChange | null) => void;

export type Machine = {
  /** Takes one event. Throws when the disk fails, or when the event carries what no journal may hold. */
  accept(event: MachineEvent, alongside?: Alongside): Answer;
  snapshot(): Snapshot;
  /** From where a subscriber misses nothing that is newer than `snapshot()`. */
  cursor(): Cursor;
  changes: Changes['after'];
};

export function createMachine({ journal, now, onFailPoint }: MachineOptions): Machine {
  const changes = createChanges(journal);

  function accept(event: MachineEvent, alongside?: Alongside): Answer {
    const from = journal.snapshot();
    const outcome = next(from, event);
    if (outcome.kind === 'refused') return outcome;

    const { to, effects, decision } = outcome;
    const timeMs = now();
    const entry: Entry = { snapshot: to, add: effects };
    if (decision !== null) entry.decision = { ...decision, timeMs, state: from.state };
    const change = to.state === from.state ? null : changeOf(from, event, to, timeMs);
    if (change !== null) entry.change = change;
    if (alongside !== undefined) entry.alongside = () => alongside(change);
    if (outcome.overtakes) {
      entry.drop = journal
        .effects()
        .filter(({ effect }) => isActivity(effect))
        .map(({ id }) => id);
    }

    onFailPoint?.('before_journal', event.type);
    const written = journal.write(entry);
    if (written.kind === 'not_recorded') return written;
    onFailPoint?.('after_journal', event.type);

    if (change === null) return { kind: 'noted' };
    changes.wake();
    return { kind: 'moved', change };
  }

  function changeOf(from: Snapshot, event: MachineEvent, to: Snapshot, timeMs: number): StateChange {
    return {
      sequence: journal.sequence() + 1,
      timeMs,
      from: from.state,
      // Only events of the table move the agent.
      event: event.type as EventName,
      to: to.state,
      update: pendingUpdate(to),
    };
  }

  return {
    accept,
    snapshot: () => journal.snapshot(),
    cursor: () => ({ journal: journal.id, sequence: journal.sequence() }),
    changes: changes.after,
  };
}
