/** The one place where a refusal becomes an error on the wire: code, words and typed details, as the contract promises. */
import { create, type DescMessage, type MessageInitShape } from '@bufbuild/protobuf';
import { durationFromMs, timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
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
} from '@iotdh/proto/agent/v1';
import { digestFromHex, eventOf, stateOf } from './names.ts';
import type { Outcome, Refusal } from './refusal.ts';

type Detail = { desc: DescMessage; value: MessageInitShape<DescMessage> };

/** How long a caller waits before trying again while a disk is full. */
const fullDiskRetryMs = 5000;
/** The same while the log spool is full: it empties only as fast as the link. */
const fullSpoolRetryMs = 30_000;
/** The same while the machine is on battery, or has no room. */
const requirementRetryMs = 15_000;

const detail = <Desc extends DescMessage>(desc: Desc, value: MessageInitShape<Desc>): Detail => ({
  desc,
  value: create(desc, value),
});

/** `retryMs`: the same request can succeed later, and not before. */
function info(reason: ErrorReason, retryMs?: number): Detail {
  return detail(ErrorInfoSchema, {
    reason,
    retryable: retryMs !== undefined,
    ...(retryMs === undefined ? {} : { retryDelay: durationFromMs(retryMs) }),
  });
}

const failure = (message: string, code: Code, ...details: Detail[]) =>
  new ConnectError(message, code, undefined, details);

/** The error that the caller gets. */
export function errorOf(refusal: Refusal): ConnectError {
  switch (refusal.kind) {
    case 'transition_refused':
      return failure(
        `${refusal.event} is refused in ${refusal.state}; nothing has changed`,
        Code.FailedPrecondition,
        info(ErrorReason.TRANSITION_REFUSED),
        detail(TransitionRefusedSchema, { state: stateOf(refusal.state), event: eventOf(refusal.event) }),
      );
    case 'digest_mismatch':
      return failure(
        `manifest ${refusal.given} is not the pending one, ${refusal.pending}; show the pending update and ask again`,
        Code.FailedPrecondition,
        info(ErrorReason.DIGEST_MISMATCH),
        detail(DigestMismatchSchema, {
          pendingManifestDigest: digestFromHex(refusal.pending),
          givenManifestDigest: digestFromHex(refusal.given),
        }),
      );
    case 'lease_unknown':
      return failure(
        `lease ${refusal.leaseId} does not exist or has ended; take a new one`,
        Code.NotFound,
        info(ErrorReason.LEASE_UNKNOWN),
        detail(LeaseUnknownSchema, { leaseId: refusal.leaseId }),
      );
    case 'too_many_holds':
      return failure(
        `${refusal.maxHolds} holds last already; end one first`,
        Code.ResourceExhausted,
        info(ErrorReason.TOO_MANY_HOLDS),
      );
    case 'sequence_unavailable':
      return failure(
        'the moves cannot be delivered from there; get the state and go on from its sequence',
        Code.OutOfRange,
        info(ErrorReason.SEQUENCE_UNAVAILABLE),
        detail(SequenceUnavailableSchema, {
          journalId: refusal.journalId,
          oldestSequence: BigInt(refusal.oldest),
          newestSequence: BigInt(refusal.newest),
        }),
      );
    case 'request_id_reused':
      return failure(
        `request id ${refusal.requestId} belongs to a request with other content; use a new one`,
        Code.InvalidArgument,
        info(ErrorReason.REQUEST_ID_REUSED),
        detail(RequestIdReusedSchema, {
          requestId: refusal.requestId,
          time: timestampFromMs(refusal.timeMs),
        }),
      );
    case 'spool_full':
      return failure(
        `${refusal.spooledBytes} of ${refusal.maxSpooledBytes} bytes of log wait to be sent; none of these lines was kept`,
        Code.ResourceExhausted,
        info(ErrorReason.SPOOL_FULL, fullSpoolRetryMs),
        detail(SpoolFullSchema, {
          spooledBytes: BigInt(refusal.spooledBytes),
          maxSpooledBytes: BigInt(refusal.maxSpooledBytes),
        }),
      );
    case 'postpone_refused':
      return failure(
        'the decision cannot be put off until then; nothing has changed',
        Code.OutOfRange,
        info(ErrorReason.POSTPONE_REFUSED),
        detail(PostponeRefusedSchema, {
          now: timestampFromMs(refusal.nowMs),
          latestTime: timestampFromMs(refusal.latestMs),
        }),
      );
    case 'requirement_unmet':
      return failure(
        `the update cannot be applied now: ${refusal.reason}; nothing has changed`,
        Code.FailedPrecondition,
        info(ErrorReason.REQUIREMENT_UNMET, requirementRetryMs),
      );
    case 'bundle_invalid':
      return failure(refusal.reason, Code.InvalidArgument, info(ErrorReason.BUNDLE_INVALID));
    case 'bundle_refused':
      return failure(refusal.reason, Code.FailedPrecondition, info(ErrorReason.BUNDLE_REFUSED));
    case 'unwritable':
      return failure(
        'the agent cannot write its journal, so nothing has changed; its log says why',
        Code.Unavailable,
        info(ErrorReason.JOURNAL_UNWRITABLE, fullDiskRetryMs),
      );
    // The contract has no reason for these; their code says it all.
    case 'disk_unreadable':
      return failure('the agent cannot read what is on disk just now; retry', Code.Unavailable);
    case 'stopping':
      return failure('the agent is stopping; retry when it is back', Code.Unavailable);
    case 'unauthenticated':
      return failure('the token of this installation is missing or wrong', Code.Unauthenticated);
  }
}

/** The value of an outcome; throws the error that the caller gets. */
export function unwrap<T>(outcome: Outcome<T>): T {
  if (outcome.kind === 'done') return outcome.value;
  throw errorOf(outcome);
}
