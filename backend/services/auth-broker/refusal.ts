/** Why the broker gives no credential, and, in one place, the error on the wire that each reason becomes. */
import { create, type DescMessage, type MessageInitShape } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import {
  AccessRefusedSchema,
  ErrorInfoSchema,
  ErrorReason,
  SigningRequestRejectedSchema,
  TokenProblem,
  TokenRejectedSchema,
} from '@iotdh/proto/broker/v1';

export type Refusal =
  /** `unknown`: not told from forged. */
  | { kind: 'token_rejected'; problem: 'unknown' | 'expired' | 'used' }
  | { kind: 'signing_request_rejected'; problem: string }
  | { kind: 'device_retired' }
  /** The first object, by its SHA-256 in hex, that the caller has no business with. */
  | { kind: 'access_refused'; digest: string }
  | { kind: 'unauthenticated'; what: string };

/** What a handler throws to refuse. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal.kind);
    this.refusal = refusal;
  }
}

export function refuse(refusal: Refusal): never {
  throw new RefusedError(refusal);
}

type Detail = { desc: DescMessage; value: MessageInitShape<DescMessage> };

const detail = <Desc extends DescMessage>(desc: Desc, value: MessageInitShape<Desc>): Detail => ({
  desc,
  value: create(desc, value),
});

const info = (reason: ErrorReason): Detail => detail(ErrorInfoSchema, { reason, retryable: false });

const failure = (message: string, code: Code, ...details: Detail[]) =>
  new ConnectError(message, code, undefined, details);

const tokenProblems = {
  unknown: { problem: TokenProblem.UNSPECIFIED, words: 'is not known' },
  expired: { problem: TokenProblem.EXPIRED, words: 'has expired' },
  used: { problem: TokenProblem.USED, words: 'was used before, with another key' },
} as const;

/** The error that the caller gets. */
export function errorOf(refusal: Refusal): ConnectError {
  switch (refusal.kind) {
    case 'token_rejected': {
      const { problem, words } = tokenProblems[refusal.problem];
      return failure(
        `the enrolment token ${words}; the device needs a new one`,
        Code.Unauthenticated,
        info(ErrorReason.TOKEN_REJECTED),
        detail(TokenRejectedSchema, { problem }),
      );
    }
    case 'signing_request_rejected':
      return failure(
        `the signing request will not do: ${refusal.problem}`,
        Code.InvalidArgument,
        info(ErrorReason.SIGNING_REQUEST_REJECTED),
        detail(SigningRequestRejectedSchema, { problem: refusal.problem }),
      );
    case 'device_retired':
      return failure('the device is retired', Code.FailedPrecondition, info(ErrorReason.DEVICE_RETIRED));
    case 'access_refused':
      return failure(
        `the caller has no business with object ${refusal.digest}; nothing was granted`,
        Code.PermissionDenied,
        info(ErrorReason.ACCESS_REFUSED),
        detail(AccessRefusedSchema, { objectDigest: Buffer.from(refusal.digest, 'hex') }),
      );
    case 'unauthenticated':
      return failure(refusal.what, Code.Unauthenticated);
  }
}
