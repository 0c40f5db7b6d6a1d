/** What a device is told of its assignment: the pointer in its twin, and the offer. */
import { create, type JsonObject, toJson } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { AssignmentPointerSchema, Carrier, type UpgradeOffer, UpgradeOfferSchema } from '@iotdh/proto/bus/v1';
import type { AssignmentDocument } from '../../../shared/database/collections.ts';
import { manifestRefMessage } from '../../../shared/messages/pack.ts';

/** An iotdh.bus.v1.AssignmentPointer, as the desired twin holds it. */
export function pointerOf({ _id, manifest, fallback }: AssignmentDocument): JsonObject {
  const pointer = create(AssignmentPointerSchema, {
    assignmentId: _id,
    manifest: manifestRefMessage(manifest),
    ...(fallback && { fallback: manifestRefMessage(fallback) }),
  });
  return toJson(AssignmentPointerSchema, pointer) as JsonObject;
}

export function offerOf(assignment: AssignmentDocument): UpgradeOffer {
  const { _id, transferId, manifest, title, frameSize, notBefore, notAfter, fallback } = assignment;
  return create(UpgradeOfferSchema, {
    assignmentId: _id,
    transferId,
    manifest: manifestRefMessage(manifest),
    title,
    frameSize,
    carriers: [Carrier.BUS],
    ...(notBefore && { notBefore: timestampFromDate(notBefore) }),
    ...(notAfter && { notAfter: timestampFromDate(notAfter) }),
    ...(fallback && { fallback: manifestRefMessage(fallback) }),
  });
}
