/** Walks over the table, and what the journal and the effects must look like after one, whatever happened on the way. */
import type { Effect } from '../effect.ts';
import type { MachineEvent } from '../event.ts';
import { next } from '../next.ts';
import { initialSnapshot, pendingUpdate, type Snapshot } from '../snapshot.ts';
import { type Row, type State, table } from '../table.ts';
import type { Random } from '../testing/random.ts';
import { eventFor, samplePack, withoutBase } from '../testing/samples.ts';

/** Rows, each of which starts where the one before ends; the first starts in `BUSY`. */
export type Walk = readonly Row[];

/**
 * The event of the walk's row `index`. Each offer and each disk is about a service pack of its own; every third has no base
 * yet, unless the disk holds one whole.
 */
export function eventAt(walk: Walk, index: number, from: Snapshot): MachineEvent {
  const row = walk[index];
  if (row === undefined) throw new Error(`the walk has no row ${index}`);
  const [, name, guard] = row;
  const whole = samplePack(`${index}`);
  const lacksBase = index % 3 === 1 && guard !== 'has_base';
  const pack = lacksBase ? withoutBase(whole) : whole;
  return eventFor(name, from, guard === null ? { pack } : { guard, pack });
}

/**
 * What comes before row `index` and is only noted: the base that this row needs, or, every other time that the host
 * application interrupts an update, that it was dropped. Null: nothing, or it was noted already.
 */
export function noteBefore(walk: Walk, index: number, from: Snapshot): MachineEvent | null {
  const event = walk[index]?.[1];
  const needsBase = from.state === 'INTRANSIT_BASE' && event === 'transfer_complete';
  if (needsBase && from.pack.base === null) return eventFor('cloud_fallback', from);
  const dropped = event === 'sdk_cmdbusy' && index % 2 === 0 && pendingUpdate(from) !== null;
  return dropped ? eventFor('update_dropped', from) : null;
}

/** What is true after each row of a walk, and after what is noted before the next one. */
export type Stage = { row: Row; snapshot: Snapshot; effects: readonly Effect[]; noted: Noted | null };
export type Noted = { snapshot: Snapshot; effects: readonly Effect[] };

export function stagesOf(walk: Walk): Stage[] {
  let snapshot = initialSnapshot;
  return walk.map((row, index) => {
    const outcome = next(snapshot, eventAt(walk, index, snapshot));
    if (outcome.kind === 'refused') throw new Error(`${row.join(' ')} is refused: ${outcome.reason}`);
    const noted = notedBefore(walk, index + 1, outcome.to);
    snapshot = noted?.snapshot ?? outcome.to;
    return { row, snapshot: outcome.to, effects: outcome.effects, noted };
  });
}

function notedBefore(walk: Walk, index: number, from: Snapshot): Noted | null {
  const event = noteBefore(walk, index, from);
  if (event === null) return null;
  const outcome = next(from, event);
  if (outcome.kind === 'refused') throw new Error(`${event.type} is refused: ${outcome.reason}`);
  return { snapshot: outcome.to, effects: outcome.effects };
}

const rowsFrom = (state: State): readonly Row[] => table.filter(([from]) => from === state);

/** The shortest walk from `state` whose last row is in `wanted`. */
function walkTo(wanted: ReadonlySet<Row>, state: State): Row[] {
  let walks: Row[][] = rowsFrom(state).map((row) => [row]);
  for (;;) {
    const found = walks.find((walk) => wanted.has(walk.at(-1) as Row));
    if (found !== undefined) return found;
    walks = walks.flatMap((walk) => rowsFrom((walk.at(-1) as Row)[3]).map((row) => [...walk, row]));
  }
}

/** A walk that takes every row of the table at least once. */
export function grandTour(): Walk {
  const left = new Set<Row>(table);
  const tour: Row[] = [];
  while (left.size > 0) {
    for (const row of walkTo(left, tour.at(-1)?.[3] ?? 'BUSY')) {
      tour.push(row);
      left.delete(row);
    }
  }
  return tour;
}

export function randomWalk(random: Random, length: number): Walk {
  const walk: Row[] = [];
  while (walk.length < length) walk.push(random.pick(rowsFrom(walk.at(-1)?.[3] ?? 'BUSY')));
  return walk;
}
