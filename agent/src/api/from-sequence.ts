/** Where a stream or a poll of moves begins. */
import type { Cursor } from '../machine/changes.ts';
import type { AgentMachine } from './port.ts';
import { done, type Outcome, type Refusal } from './refusal.ts';

export type From = { afterSequence?: bigint | undefined; journalId: string };

/** The cursor to go on from; refused when the moves after it cannot be delivered without a gap. */
export function cursorFrom({ afterSequence, journalId }: From, machine: AgentMachine): Outcome<Cursor> {
  const { cursor } = machine.standing();
  const oldest = machine.oldestSequence();
  const after = afterSequence ?? BigInt(cursor.sequence);
  const known = after >= oldest - 1 && after <= cursor.sequence;
  if (known && (journalId === '' || journalId === cursor.journal)) {
    return done({ journal: cursor.journal, sequence: Number(after) });
  }
  return unavailableFrom(machine);
}

/** What is still kept, for a caller that wants what is not. */
export function unavailableFrom(machine: AgentMachine): Refusal {
  const { journal, sequence } = machine.standing().cursor;
  const oldest = machine.oldestSequence();
  const kept = oldest > sequence ? 0 : oldest;
  return { kind: 'sequence_unavailable', journalId: journal, oldest: kept, newest: sequence };
}
