/**
 * What the machine needs of its journal: the one place that says where the agent stands, which effects it still owes, and
 * how it came here. `journal/sqlite-journal.ts` keeps it on disk.
 */
import type { Effect } from './effect.ts';
import type { Snapshot } from './snapshot.ts';
import type { EventName, State } from './table.ts';
import type { Decision, Update } from './update.ts';

/** One accepted transition, as the SDK and the cloud are told of it. */
export type StateChange = {
  /** 1 for the first transition of this journal, then one more each time. */
  sequence: number;
  /** By the machine's own clock, in ms since 1970. Order is by sequence: clocks jump. */
  timeMs: number;
  from: State;
  event: EventName;
  to: State;
  /** What is pending after the transition. */
  update: Update | null;
};

/** An effect that was decided on and whose end is not known yet. */
export type PendingEffect = {
  /** Ascending in the order of execution; never used twice. */
  id: number;
  /** The id of the first effect that was decided on together with this one. */
  batch: number;
  effect: Effect;
  /** How often it was begun since it last got anywhere. */
  attempts: number;
  /** Not tried again until the next hour or start; the rest of its batch waits with it, see `lane-order.ts`. */
  setAside: boolean;
};

/** A person's answer, with when and in which state it was given. */
export type DecisionRecord = Decision & { timeMs: number; state: State };

/** What is written together or not at all. */
export type Entry = {
  /** Where the agent stands now. With a change, its sequence must be the next one. */
  snapshot?: Snapshot;
  change?: StateChange;
  decision?: DecisionRecord;
  /** New effects, one batch. */
  add?: readonly Effect[];
  /** Pending effects with new `attempts` or `setAside`. */
  update?: readonly PendingEffect[];
  /** Ids of effects that are done or no longer wanted. */
  drop?: readonly number[];
  /**
   * What others keep in the journal's file and change together with it. It is carried out last, sees the journal as it is
   * with this entry, and undoes the entry by throwing. On a full disk it may be carried out twice.
   */
  alongside?: () => void;
  /**
   * It need not be on the disk before the next entry that must: killed, the agent finds it; a power cut may lose it, and what
   * is on disk then leads to the same end. Default false.
   */
  canWait?: boolean;
};

/** The write did not happen and everything is as before. Once there is room again, the same write succeeds. */
export type NotRecorded = { kind: 'not_recorded'; reason: 'disk_full' };
export type Written = { kind: 'recorded' } | NotRecorded;

/** Reads answer from the last successful write. Everything throws once the disk itself fails or the journal is closed. */
export type Journal = {
  /** Names this journal; another one, begun after damage, has another id and its sequence starts over. */
  readonly id: string;
  snapshot(): Snapshot;
  /** The sequence of the last change, 0 before the first. */
  sequence(): number;
  /** The sequence of the oldest change that is still kept; one more than `sequence()` when none is. */
  oldestSequence(): number;
  /** At most `limit` changes after `sequence`, oldest first. */
  changesAfter(sequence: number, limit: number): StateChange[];
  /** In the order of execution. */
  effects(): PendingEffect[];
  /** The most recent answers, newest first. */
  decisions(limit: number): DecisionRecord[];
  /** Durable when it returns `recorded`, unless the entry can wait. */
  write(entry: Entry): Written;
  close(): void;
};
