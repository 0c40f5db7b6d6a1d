/** Why a request is not carried out. These are expected answers; `errors.ts` says what a caller gets to see. */
import type { EventName, State } from '../machine/table.ts';

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
  /** A disk has no room for what would have to be remembered. */
  | { kind: 'unwritable' }
  /** What is on disk could not be looked up just now. */
  | { kind: 'disk_unreadable' }
  | { kind: 'stopping' }
  | { kind: 'unauthenticated' };

/** What came of a request. */
export type Outcome<T> = { kind: 'done'; value: T } | Refusal;

export const done = <T>(value: T): Outcome<T> => ({ kind: 'done', value });
