/** Why a request is not carried out. These are expected answers; `errors.ts` says what a caller gets to see. */
import type { EventName, State } from '../machine/table.ts';
import type { AgentMachine } from './port.ts';

export type Refusal =
  | { kind: 'transition_refused'; state: State; event: EventName }
  /** Digests in lower-case hex. */
  | { kind: 'digest_mismatch'; pending: string; given: string }
  | { kind: 'lease_unknown'; leaseId: string }
  | { kind: 'too_many_holds'; maxHolds: number }
  | { kind: 'sequence_unavailable'; journalId: string; oldest: number; newest: number }
  | { kind: 'request_id_reused'; requestId: string; timeMs: number }
  | { kind: 'spool_full'; spooledBytes: number; maxSpooledBytes: number }
  | { kind: 'postpone_refused'; nowMs: number; latestMs: number }
  /** A confirmed update would wait, and the machine could not be BUSY meanwhile; `reason` is for the person who confirms. */
  | { kind: 'requirement_unmet'; reason: string }
  /** Of a bundle that was to be imported; `reason` is for the person who brought it. */
  | { kind: 'bundle_invalid' | 'bundle_refused'; reason: string }
  /** A disk has no room for what would have to be remembered. */
  | { kind: 'unwritable' }
  /** What is on disk could not be looked up just now. */
  | { kind: 'disk_unreadable' }
  | { kind: 'stopping' }
  | { kind: 'unauthenticated' };

/** What came of a request. */
export type Outcome<T> = { kind: 'done'; value: T } | Refusal;

export const done = <T>(value: T): Outcome<T> => ({ kind: 'done', value });

/** What the machine's answer to `event` means for the request that raised it; null when the event counts. */
export function refusalOf(
  answer: Awaited<ReturnType<AgentMachine['submit']>>,
  event: EventName,
): Refusal | null {
  switch (answer.kind) {
    case 'moved':
    case 'noted':
      return null;
    case 'refused':
      // The lock keeps the host application's commands apart, but the cloud or the machine may have moved meanwhile.
      return { kind: 'transition_refused', state: answer.state, event };
    case 'not_recorded':
      return { kind: 'unwritable' };
    case 'unavailable':
      return { kind: answer.reason };
  }
}
