/** The one error that calls of the SDK throw, besides the reason of a caller's own signal. */
import { Code, ConnectError } from '@connectrpc/connect';
import { hexOf, nameOfEvent, nameOfState } from './names.ts';
import {
  DigestMismatchSchema,
  ErrorInfoSchema,
  ErrorReason,
  LeaseUnknownSchema,
  PostponeRefusedSchema,
  RequestIdReusedSchema,
  SequenceUnavailableSchema,
  SpoolFullSchema,
  TransitionRefusedSchema,
} from './proto.ts';
import { dateOf, msOf } from './time.ts';
import type { AgentEvent, AgentState } from './types.ts';

/** What kind of failure it is, as in gRPC. */
export type AgentErrorCode =
  | 'canceled'
  | 'unknown'
  | 'invalid_argument'
  | 'deadline_exceeded'
  | 'not_found'
  | 'already_exists'
  | 'permission_denied'
  | 'resource_exhausted'
  | 'failed_precondition'
  | 'aborted'
  | 'out_of_range'
  | 'unimplemented'
  | 'internal'
  | 'unavailable'
  | 'data_loss'
  | 'unauthenticated';

/** Which failure it is, where the agent says more than the code does. */
export type AgentErrorDetails =
  | { kind: 'transition_refused'; state: AgentState; event: AgentEvent }
  | { kind: 'digest_mismatch'; pendingManifestDigest: string; givenManifestDigest: string }
  | { kind: 'lease_unknown'; leaseId: string }
  | { kind: 'too_many_holds' }
  /** Changes were lost, or the position is of another installation: read the state and go on from its position. */
  | { kind: 'sequence_unavailable' }
  | { kind: 'request_id_reused'; requestId: string; time: Date | null }
  | { kind: 'spool_full'; spooledBytes: number; maxSpooledBytes: number }
  | { kind: 'journal_unwritable' }
  | { kind: 'postpone_refused'; now: Date | null; latest: Date | null }
  /** The machine lacks for now what the update needs; the message says what, for the person who confirms. */
  | { kind: 'requirement_unmet' };

type Extras = {
  retryable?: boolean;
  retryAfterMs?: number | null;
  details?: AgentErrorDetails | null;
  cause?: unknown;
};

export class AgentError extends Error {
  override readonly name = 'AgentError';
  readonly code: AgentErrorCode;
  /** Whether the same call can succeed later without the caller changing anything. */
  readonly retryable: boolean;
  /** How long the agent wants to be left alone before; null: it does not say. */
  readonly retryAfterMs: number | null;
  readonly details: AgentErrorDetails | null;

  constructor(code: AgentErrorCode, message: string, extras: Extras = {}) {
    super(message, extras.cause === undefined ? undefined : { cause: extras.cause });
    this.code = code;
    this.retryable = extras.retryable ?? (code === 'unavailable' || code === 'deadline_exceeded');
    this.retryAfterMs = extras.retryAfterMs ?? null;
    this.details = extras.details ?? null;
  }
}

/** Whatever a call failed with, as an AgentError. */
export function agentErrorOf(error: unknown): AgentError {
  if (error instanceof AgentError) return error;
  const failure = ConnectError.from(error);
  if (failure.cause instanceof AgentError) return failure.cause;
  const info = failure.findDetails(ErrorInfoSchema)[0];
  const told = {
    ...(info === undefined ? {} : { retryable: info.retryable }),
    retryAfterMs: info?.retryDelay === undefined ? null : msOf(info.retryDelay),
    details: info === undefined ? null : detailsOf(failure, info.reason),
    cause: error,
  };
  return new AgentError(codeOf(failure), failure.rawMessage, told);
}

/** What the agent did not say itself, but went wrong on the way, is a broken connection whatever it looks like. */
function codeOf({ code, isWireError }: ConnectError): AgentErrorCode {
  const onTheWay = code === Code.Unknown || code === Code.Internal || code === Code.DataLoss;
  if (!isWireError && onTheWay) return 'unavailable';
  return Code[code].replace(/\B[A-Z]/g, '_$&').toLowerCase() as AgentErrorCode;
}

function detailsOf(failure: ConnectError, reason: ErrorReason): AgentErrorDetails | null {
  switch (reason) {
    case ErrorReason.TRANSITION_REFUSED: {
      const detail = failure.findDetails(TransitionRefusedSchema)[0];
      if (detail === undefined) return null;
      return {
        kind: 'transition_refused',
        state: nameOfState(detail.state),
        event: nameOfEvent(detail.event),
      };
    }
    case ErrorReason.DIGEST_MISMATCH: {
      const detail = failure.findDetails(DigestMismatchSchema)[0];
      if (detail === undefined) return null;
      return {
        kind: 'digest_mismatch',
        pendingManifestDigest: hexOf(detail.pendingManifestDigest),
        givenManifestDigest: hexOf(detail.givenManifestDigest),
      };
    }
    case ErrorReason.LEASE_UNKNOWN: {
      return {
        kind: 'lease_unknown',
        leaseId: failure.findDetails(LeaseUnknownSchema)[0]?.leaseId ?? '',
      };
    }
    case ErrorReason.TOO_MANY_HOLDS:
      return { kind: 'too_many_holds' };
    case ErrorReason.SEQUENCE_UNAVAILABLE:
      return failure.findDetails(SequenceUnavailableSchema).length === 0
        ? null
        : { kind: 'sequence_unavailable' };
    case ErrorReason.REQUEST_ID_REUSED: {
      const detail = failure.findDetails(RequestIdReusedSchema)[0];
      return { kind: 'request_id_reused', requestId: detail?.requestId ?? '', time: dateOf(detail?.time) };
    }
    case ErrorReason.SPOOL_FULL: {
      const detail = failure.findDetails(SpoolFullSchema)[0];
      return {
        kind: 'spool_full',
        spooledBytes: Number(detail?.spooledBytes ?? 0),
        maxSpooledBytes: Number(detail?.maxSpooledBytes ?? 0),
      };
    }
    case ErrorReason.JOURNAL_UNWRITABLE:
      return { kind: 'journal_unwritable' };
    case ErrorReason.POSTPONE_REFUSED: {
      const detail = failure.findDetails(PostponeRefusedSchema)[0];
      return { kind: 'postpone_refused', now: dateOf(detail?.now), latest: dateOf(detail?.latestTime) };
    }
    case ErrorReason.REQUIREMENT_UNMET:
      return { kind: 'requirement_unmet' };
    default:
      return null;
  }
}
