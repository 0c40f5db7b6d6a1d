/**
 * Registers a device in two steps: its identity in the hub, then its record here. A crash between them leaves an identity that
 * nothing can connect with; the retry finds it and goes on.
 */
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  type RegisterDeviceRequest,
  RegisterDeviceRequestSchema,
  type RegisterDeviceResponse,
  RegisterDeviceResponseSchema,
} from '@iotdh/proto/fleet/v1';
import { Long } from 'mongodb';
import type { DeviceDocument } from '../../../shared/database/collections.ts';
import { appendEvents } from '../../../shared/database/events.ts';
import { deviceMessage } from '../../../shared/messages/device.ts';
import { deviceEvent } from '../../../shared/messages/fleet-event.ts';
import { findAnswer, keepAnswer } from '../answers.ts';
import { type Caller, commit, type Fleet, isDuplicate } from '../fleet.ts';
import { refuse } from '../refusal.ts';
import { newToken } from './enrolment-token.ts';

export async function registerDevice(
  fleet: Fleet,
  request: RegisterDeviceRequest,
  caller: Caller,
): Promise<RegisterDeviceResponse> {
  const { devices, requests, events, counters } = fleet.database.collections;
  const { deviceId, requestId } = request;
  const key = {
    operator: caller.operator,
    requestId,
    request,
    requestSchema: RegisterDeviceRequestSchema,
    responseSchema: RegisterDeviceResponseSchema,
  };
  const answered = await findAnswer(requests, key);
  if (answered !== null) return answered;
  const taken = () => refuse({ kind: 'conflict', resource: 'device', id: deviceId });
  if ((await devices.findOne({ _id: deviceId }, { projection: { _id: 1 } })) !== null) return taken();
  await fleet.identities.ensure(deviceId);

  const nowMs = fleet.clock.now();
  const { token, expireMs, enrolment } = newToken(nowMs);
  const device = newDevice(request, new Date(nowMs), enrolment);
  const response = create(RegisterDeviceResponseSchema, {
    device: deviceMessage(device),
    enrolmentToken: token,
    tokenExpireTime: timestampFromMs(expireMs),
  });
  try {
    await commit(fleet, async (session) => {
      await devices.insertOne(device, { session });
      await keepAnswer(session, requests, key, response, nowMs);
      await appendEvents(session, { events, counters }, [deviceEvent(device)], device.createTime);
    });
  } catch (error) {
    if (!isDuplicate(error)) throw error;
    // Somebody was faster: the same request on another replica, or another one for the same id.
    return (await findAnswer(requests, key)) ?? taken();
  }
  return response;
}

function newDevice(
  { deviceId, displayName, site, labels }: RegisterDeviceRequest,
  createTime: Date,
  enrolment: DeviceDocument['enrolment'],
): DeviceDocument {
  return {
    _id: deviceId,
    displayName,
    site,
    labels,
    connectivity: 'awaited',
    lastSeenTime: null,
    report: null,
    reportOrder: null,
    commandSequence: Long.ZERO,
    enrolment,
    createTime,
    retireTime: null,
    retireReason: '',
    revision: Long.ONE,
  };
}
