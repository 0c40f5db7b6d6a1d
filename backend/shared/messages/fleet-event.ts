/** What happens in the fleet, as the collection `events` keeps it: a FleetEvent without its cursor and time. */
import { create, type JsonObject, toJson } from '@bufbuild/protobuf';
import { type FleetEvent, FleetEventSchema } from '@iotdh/proto/fleet/v1';
import type { AssignmentDocument, DeviceDocument, PackDocument } from '../database/collections.ts';
import type { NewEvent } from '../database/events.ts';
import { assignmentMessage } from './assignment.ts';
import { deviceMessage } from './device.ts';
import { packMessage } from './pack.ts';

function event(topic: NewEvent['topic'], deviceId: string, kind: FleetEvent['kind']): NewEvent {
  const message = create(FleetEventSchema, { deviceId, kind });
  // A message in ProtoJSON is always an object.
  return { topic, deviceId, event: toJson(FleetEventSchema, message) as JsonObject };
}

/** The device is now like this. */
export const deviceEvent = (device: DeviceDocument): NewEvent =>
  event('device', device._id, { case: 'device', value: deviceMessage(device) });

/** The assignment is now like this. */
export const assignmentEvent = (assignment: AssignmentDocument): NewEvent =>
  event('assignment', assignment.deviceId, { case: 'assignment', value: assignmentMessage(assignment) });

/** The pack is now like this. It concerns no device in particular. */
export const packEvent = (pack: PackDocument): NewEvent =>
  event('pack', '', { case: 'pack', value: packMessage(pack) });

/** The device's agent moved. `record` is an iotdh.agent.v1.StateChanged in ProtoJSON. */
export const stateEvent = (deviceId: string, record: JsonObject): NewEvent => ({
  topic: 'state',
  deviceId,
  event: { deviceId, stateChanged: record },
});

/** A person decided. `record` is an iotdh.agent.v1.Consent in ProtoJSON. */
export const consentEvent = (deviceId: string, record: JsonObject): NewEvent => ({
  topic: 'consent',
  deviceId,
  event: { deviceId, consent: record },
});
