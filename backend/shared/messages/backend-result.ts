/** The result of an assignment that ends without the device's word: the backend's own, in the contract's form. */
import { create, type JsonObject, toJson } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { ProductKind } from '@iotdh/proto/agent/v1';
import {
  StepResult,
  UpdateOutcome,
  type UpdateResult,
  UpdateResultSchema,
  UpdateStep,
} from '@iotdh/proto/bus/v1';
import type { AssignmentDocument, DeviceDocument } from '../database/collections.ts';
import { deviceMessage } from './device.ts';
import { manifestRefMessage } from './pack.ts';

type Ended = Pick<AssignmentDocument, '_id' | 'transferId' | 'manifest'>;

/** It was withdrawn. An iotdh.bus.v1.UpdateResult as the database keeps it. */
export const cancelledResult = (assignment: Ended, device: DeviceDocument, now: Date): JsonObject =>
  resultOf(assignment, device, now, {
    outcome: UpdateOutcome.CANCELLED,
    result: StepResult.SKIPPED,
    detail: '',
  });

/** It can never reach the device; `detail` says why. */
export const undeliverableResult = (
  assignment: Ended,
  device: DeviceDocument,
  now: Date,
  detail: string,
): JsonObject =>
  resultOf(assignment, device, now, { outcome: UpdateOutcome.REFUSED, result: StepResult.FAILED, detail });

function resultOf(
  assignment: Ended,
  device: DeviceDocument,
  now: Date,
  { outcome, result: stepResult, detail }: { outcome: UpdateOutcome; result: StepResult; detail: string },
): JsonObject {
  const { report } = deviceMessage(device);
  const { digest, kind } = manifestRefMessage(assignment.manifest);
  const result: UpdateResult = create(UpdateResultSchema, {
    assignmentId: assignment._id,
    transferId: assignment.transferId,
    manifestDigest: digest,
    kind,
    outcome,
    steps: [{ step: UpdateStep.TRANSFER, result: stepResult, detail: detail.slice(0, maxDetail) }],
    time: timestampFromDate(now),
    // The contract wants what is installed; of a machine that never reported we know only what it runs.
    inventory:
      report !== undefined && report.inventory.length > 0
        ? report.inventory
        : [
            {
              kind: ProductKind.AGENT,
              product: { product: 'iotdh-agent', version: versionOf(report?.agentVersion) },
            },
          ],
  });
  return toJson(UpdateResultSchema, result) as JsonObject;
}

/** The contract's most. */
const maxDetail = 1_000;

/** What an agent calls its version need not be one in the sense of the manifest. */
const versionOf = (text = ''): string => (/^[0-9A-Za-z][0-9A-Za-z.+_~:-]*$/.test(text) ? text : 'unknown');
