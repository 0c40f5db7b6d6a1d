/** The result of an assignment that ends before the device has answered it: the backend's own word, in the contract's form. */
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
import type { AssignmentDocument, DeviceDocument } from '../../../shared/database/collections.ts';
import { deviceMessage } from '../../../shared/messages/device.ts';
import { manifestRefMessage } from '../../../shared/messages/pack.ts';

/** An iotdh.bus.v1.UpdateResult as the database keeps it. */
export function cancelledResult(
  assignment: Pick<AssignmentDocument, '_id' | 'transferId' | 'manifest'>,
  device: DeviceDocument,
  now: Date,
): JsonObject {
  const { report } = deviceMessage(device);
  const { digest, kind } = manifestRefMessage(assignment.manifest);
  const result: UpdateResult = create(UpdateResultSchema, {
    assignmentId: assignment._id,
    transferId: assignment.transferId,
    manifestDigest: digest,
    kind,
    outcome: UpdateOutcome.CANCELLED,
    steps: [{ step: UpdateStep.TRANSFER, result: StepResult.SKIPPED, detail: '' }],
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

/** What an agent calls its version need not be one in the sense of the manifest. */
const versionOf = (text = ''): string => (/^[0-9A-Za-z][0-9A-Za-z.+_~:-]*$/.test(text) ? text : 'unknown');
