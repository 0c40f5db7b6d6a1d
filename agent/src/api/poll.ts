/** The long poll: the moves after a cursor, or none once the time is up. */
import type { Cursor } from '../machine/changes.ts';
import type { StateChange } from '../machine/journal.ts';
import type { Clock } from './clock.ts';
import { unavailableFrom } from './from-sequence.ts';
import type { AgentMachine } from './port.ts';
import { done, type Outcome } from './refusal.ts';

export type PollOptions = {
  machine: AgentMachine;
  clock: Clock;
  timeoutMs: number;
  maxMoves: number;
  signal: AbortSignal;
};

export async function poll(cursor: Cursor, options: PollOptions): Promise<Outcome<StateChange[]>> {
  const { machine, clock, timeoutMs, maxMoves, signal } = options;
  const there = machine.movesAfter(cursor.sequence, maxMoves);
  if (there.length > 0 || timeoutMs === 0 || signal.aborted) return done(there);

  const over = new AbortController();
  const end = () => over.abort();
  signal.addEventListener('abort', end);
  const cancel = clock.after(timeoutMs, end);
  try {
    const { value } = await machine.moves(cursor, over.signal).next();
    if (value?.kind === 'start_over') return unavailableFrom(machine);
    return done(machine.movesAfter(cursor.sequence, maxMoves));
  } finally {
    cancel();
    signal.removeEventListener('abort', end);
    over.abort();
  }
}
