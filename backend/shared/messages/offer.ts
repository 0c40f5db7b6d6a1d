/** What a device is told of its assignment: the offer, and the pointer in its twin for when it was away. */
import { create, type JsonObject, toJson } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import {
  AssignmentPointerSchema,
  type CloudToDevice,
  type UpgradeOffer,
  UpgradeOfferSchema,
} from '@iotdh/proto/bus/v1';
import type { AssignmentDocument, MetadataDocument } from '../database/collections.ts';
import { carriersOf } from './carrier-policy.ts';
import { metadataFileMessage } from './metadata.ts';
import { manifestRefMessage } from './pack.ts';

/** The two of them, as an order of the kind `offer` takes them. */
export type Offer = {
  payload: Extract<CloudToDevice['payload'], { case: 'upgradeOffer' }> & { value: UpgradeOffer };
  /** An AssignmentPointer in ProtoJSON. */
  pointer: JsonObject;
};

/** Always the same for the same assignment but for the metadata, so it can be made again whenever a device asks. */
export function offerOf(assignment: AssignmentDocument, metadata: readonly MetadataDocument[]): Offer {
  const { _id: assignmentId, transferId, title, frameSize, notBefore, notAfter } = assignment;
  const manifest = manifestRefMessage(assignment.manifest);
  const fallback = assignment.fallback === null ? {} : { fallback: manifestRefMessage(assignment.fallback) };
  const offer = create(UpgradeOfferSchema, {
    assignmentId,
    transferId,
    manifest,
    title,
    frameSize,
    carriers: carriersOf(assignment.carrierPolicy),
    metadata: metadata.map(metadataFileMessage),
    ...(notBefore && { notBefore: timestampFromDate(notBefore) }),
    ...(notAfter && { notAfter: timestampFromDate(notAfter) }),
    ...fallback,
  });
  const pointer = create(AssignmentPointerSchema, { assignmentId, manifest, ...fallback });
  return {
    payload: { case: 'upgradeOffer', value: offer },
    // A message in ProtoJSON is always an object.
    pointer: toJson(AssignmentPointerSchema, pointer) as JsonObject,
  };
}
