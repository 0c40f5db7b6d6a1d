/** An assignment as the contract shows it, from what the database keeps. */
import { create, fromJson } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { UpdateResultSchema } from '@iotdh/proto/bus/v1';
import { type Assignment, AssignmentSchema, AssignmentState } from '@iotdh/proto/fleet/v1';
import type { AssignmentDocument } from '../database/collections.ts';
import { policyMessage } from './carrier-policy.ts';
import { bigint } from './long.ts';

const states = {
  waiting: AssignmentState.WAITING,
  in_transit: AssignmentState.IN_TRANSIT,
  awaiting_consent: AssignmentState.AWAITING_CONSENT,
  applying: AssignmentState.APPLYING,
  ended: AssignmentState.ENDED,
} as const;

export function assignmentMessage(document: AssignmentDocument): Assignment {
  const { progress, result, notBefore, notAfter } = document;
  return create(AssignmentSchema, {
    assignmentId: document._id,
    deviceId: document.deviceId,
    packId: document.packId,
    fallbackPackId: document.fallbackPackId ?? '',
    state: states[document.state],
    stateTime: timestampFromDate(document.stateTime),
    ...(progress && {
      progress: {
        receivedBytes: bigint(progress.receivedBytes),
        totalBytes: bigint(progress.totalBytes),
      },
    }),
    ...(result && { result: fromJson(UpdateResultSchema, result, { ignoreUnknownFields: true }) }),
    ...(notBefore && { notBefore: timestampFromDate(notBefore) }),
    ...(notAfter && { notAfter: timestampFromDate(notAfter) }),
    createTime: timestampFromDate(document.createTime),
    creator: document.creator,
    carrierPolicy: policyMessage(document.carrierPolicy),
  });
}
