/** Changes what operators say about a device. */
import { create } from '@bufbuild/protobuf';
import {
  type UpdateDeviceRequest,
  UpdateDeviceRequestSchema,
  type UpdateDeviceResponse,
  UpdateDeviceResponseSchema,
} from '@iotdh/proto/fleet/v1';
import { Long } from 'mongodb';
import type { DeviceDocument } from '../../../shared/database/collections.ts';
import { appendEvents } from '../../../shared/database/events.ts';
import { deviceMessage } from '../../../shared/messages/device.ts';
import { deviceEvent } from '../../../shared/messages/fleet-event.ts';
import { bigint } from '../../../shared/messages/long.ts';
import { findAnswer, keepAnswer } from '../answers.ts';
import { type Caller, commit, type Fleet, isDuplicate } from '../fleet.ts';
import { refuse } from '../refusal.ts';
import { deviceNamed } from './find.ts';

export async function updateDevice(
  fleet: Fleet,
  request: UpdateDeviceRequest,
  caller: Caller,
): Promise<UpdateDeviceResponse> {
  const { devices, requests, events, counters } = fleet.database.collections;
  const { deviceId, requestId } = request;
  const key = {
    operator: caller.operator,
    requestId,
    request,
    requestSchema: UpdateDeviceRequestSchema,
    responseSchema: UpdateDeviceResponseSchema,
  };
  const answered = await findAnswer(requests, key);
  if (answered !== null) return answered;
  try {
    return await commit(fleet, async (session) => {
      const before = await deviceNamed(fleet, deviceId, session);
      const current = bigint(before.revision);
      if (request.revision !== 0n && request.revision !== current) {
        refuse({ kind: 'revision_mismatch', deviceId, given: request.revision, current });
      }
      const now = new Date(fleet.clock.now());
      const after: DeviceDocument = {
        ...before,
        displayName: request.displayName ?? before.displayName,
        site: request.site ?? before.site,
        labels: request.labels?.values ?? before.labels,
        revision: Long.fromBigInt(current + 1n),
      };
      const { displayName, site, labels, revision } = after;
      await devices.updateOne(
        { _id: deviceId },
        { $set: { displayName, site, labels, revision } },
        { session },
      );
      const response = create(UpdateDeviceResponseSchema, { device: deviceMessage(after) });
      await keepAnswer(session, requests, key, response, now.getTime());
      await appendEvents(session, { events, counters }, [deviceEvent(after)], now);
      return response;
    });
  } catch (error) {
    const faster = isDuplicate(error) ? await findAnswer(requests, key) : null;
    if (faster === null) throw error;
    return faster;
  }
}
