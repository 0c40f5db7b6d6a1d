/** The one place where a refusal becomes an error on the wire: code, words and typed details, as the contract promises. */
import { create, type DescMessage, type MessageInitShape } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { FieldPathElementSchema, ViolationsSchema } from '@iotdh/proto/buf/validate';
import {
  ErrorInfoSchema,
  ErrorReason,
  ManifestRejectedSchema,
  MetadataRejectedSchema,
  ObjectsMissingSchema,
  PassThroughMissingSchema,
  ResourceConflictSchema,
  ResourceKind,
  ResourceNotFoundSchema,
  RevisionMismatchSchema,
} from '@iotdh/proto/fleet/v1';
import type { Refusal, ResourceName } from './refusal.ts';

type Detail = { desc: DescMessage; value: MessageInitShape<DescMessage> };

const kinds: Record<ResourceName, ResourceKind> = {
  device: ResourceKind.DEVICE,
  pack: ResourceKind.PACK,
  assignment: ResourceKind.ASSIGNMENT,
  log_collection: ResourceKind.LOG_COLLECTION,
  metadata: ResourceKind.METADATA,
};

const words: Record<ResourceName, string> = {
  device: 'device',
  pack: 'pack',
  assignment: 'assignment',
  log_collection: 'log collection',
  metadata: 'metadata',
};

/** What the contract's ManifestRejected and ObjectsMissing hold at most. */
const maxProblems = 100;
const maxProblemLength = 500;
const maxDigests = 1000;

const detail = <Desc extends DescMessage>(desc: Desc, value: MessageInitShape<Desc>): Detail => ({
  desc,
  value: create(desc, value),
});

/** `retryable`: the same request can succeed later without the caller changing anything. */
const info = (reason: ErrorReason, retryable = false): Detail =>
  detail(ErrorInfoSchema, { reason, retryable });

const failure = (message: string, code: Code, ...details: Detail[]) =>
  new ConnectError(message, code, undefined, details);

/** The error that the caller gets. */
export function errorOf(refusal: Refusal): ConnectError {
  switch (refusal.kind) {
    case 'not_found':
      return failure(
        `there is no ${words[refusal.resource]} ${refusal.id}`,
        Code.NotFound,
        info(ErrorReason.RESOURCE_NOT_FOUND),
        detail(ResourceNotFoundSchema, { kind: kinds[refusal.resource], id: refusal.id }),
      );
    case 'conflict':
      return failure(
        `${words[refusal.resource]} ${refusal.id} is in the way; nothing has changed`,
        Code.AlreadyExists,
        info(ErrorReason.RESOURCE_CONFLICT),
        detail(ResourceConflictSchema, { kind: kinds[refusal.resource], id: refusal.id }),
      );
    case 'revision_mismatch':
      return failure(
        `device ${refusal.deviceId} was changed meanwhile; get it again and decide anew`,
        Code.Aborted,
        info(ErrorReason.REVISION_MISMATCH),
        detail(RevisionMismatchSchema, {
          givenRevision: refusal.given,
          currentRevision: refusal.current,
        }),
      );
    case 'manifest_rejected':
      return failure(
        `the manifest is not valid, and nothing was kept: ${refusal.problems[0]}`,
        Code.InvalidArgument,
        info(ErrorReason.MANIFEST_REJECTED),
        detail(ManifestRejectedSchema, {
          problems: refusal.problems
            .slice(0, maxProblems)
            .map((problem) => [...problem].slice(0, maxProblemLength).join('')),
        }),
      );
    case 'objects_missing':
      return failure(
        `${refusal.digests.length} objects of pack ${refusal.packId} are missing or are not what their digest says; upload them, then publish again`,
        Code.FailedPrecondition,
        info(ErrorReason.OBJECTS_MISSING),
        detail(ObjectsMissingSchema, {
          objectDigests: refusal.digests.slice(0, maxDigests).map((digest) => Buffer.from(digest, 'hex')),
        }),
      );
    case 'pack_not_signed':
      return failure(
        refusal.for === 'publish'
          ? `pack ${refusal.packId} is not signed: the newest targets do not name ${refusal.path} with this manifest; sign it, hand the targets in, then publish again`
          : `pack ${refusal.packId} is no longer signed, and no device would take it: the newest targets do not name ${refusal.path} with this manifest; assign another pack, or sign this one again (iotdh pack sign) and hand the targets in (iotdh pack upload)`,
        Code.FailedPrecondition,
        info(ErrorReason.PACK_NOT_SIGNED),
      );
    case 'metadata_rejected':
      return failure(
        `the metadata were not taken in, and nothing has changed: ${refusal.detail}`,
        Code.InvalidArgument,
        info(ErrorReason.METADATA_REJECTED),
        detail(MetadataRejectedSchema, {
          rule: refusal.rule,
          detail: [...refusal.detail].slice(0, maxProblemLength).join(''),
        }),
      );
    case 'pack_not_assignable':
      return failure(
        `pack ${refusal.packId} ${refusal.why}`,
        Code.FailedPrecondition,
        info(ErrorReason.PACK_NOT_ASSIGNABLE),
      );
    case 'device_retired':
      return failure(
        `device ${refusal.deviceId} is retired`,
        Code.FailedPrecondition,
        info(ErrorReason.DEVICE_RETIRED),
      );
    case 'pass_through_missing': {
      const { deviceId, missing, first } = refusal;
      const next =
        first === null
          ? 'no published pack brings it: publish one first'
          : `assign ${first.name}@${first.version} (${first.packId}) first`;
      return failure(
        `device ${deviceId} must have had ${missing.product} ${missing.version} before; ${next}`,
        Code.FailedPrecondition,
        info(ErrorReason.PASS_THROUGH_MISSING),
        detail(PassThroughMissingSchema, { deviceId, missing, packId: first?.packId ?? '' }),
      );
    }
    case 'update_under_way':
      return failure(
        `the device is applying assignment ${refusal.assignmentId}; it ends by itself`,
        Code.FailedPrecondition,
        info(ErrorReason.UPDATE_UNDER_WAY),
      );
    case 'page_token_invalid':
      return failure(
        'the page token is not one of this list with this filter; list from the beginning',
        Code.InvalidArgument,
        info(ErrorReason.PAGE_TOKEN_INVALID),
      );
    case 'cursor_expired':
      return failure(
        'the stream cannot go on after this cursor; list afresh and watch without one',
        Code.OutOfRange,
        info(ErrorReason.CURSOR_EXPIRED),
      );
    case 'request_id_reused':
      return failure(
        `request id ${refusal.requestId} belongs to a request with other content; use a new one`,
        Code.InvalidArgument,
        info(ErrorReason.REQUEST_ID_REUSED),
      );
    case 'field_invalid':
      return failure(
        `${refusal.field}: ${refusal.message}`,
        Code.InvalidArgument,
        detail(ViolationsSchema, {
          violations: [
            {
              field: { elements: [create(FieldPathElementSchema, { fieldName: refusal.field })] },
              ruleId: refusal.ruleId,
              message: refusal.message,
            },
          ],
        }),
      );
    case 'unauthenticated':
      return failure('the bearer token is missing or unknown', Code.Unauthenticated);
  }
}
