/** Where a reader of changes stands: the journal and the last sequence in it, as one opaque text. */
import { AgentError } from './agent-error.ts';
import type { Position } from './types.ts';

export type Place = { journalId: string; sequence: number };

export const positionOf = ({ journalId, sequence }: Place): Position => `1.${journalId}.${sequence}`;

/** Throws an AgentError for a text that no position was. */
export function placeOf(position: Position): Place {
  const [, journalId, sequence] = /^1\.([0-9a-f-]{36})\.(\d{1,15})$/.exec(position) ?? [];
  if (journalId !== undefined && sequence !== undefined) return { journalId, sequence: Number(sequence) };
  throw new AgentError('invalid_argument', `${JSON.stringify(position.slice(0, 80))} is no position`);
}
