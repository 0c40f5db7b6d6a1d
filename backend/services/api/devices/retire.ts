/**
 * Takes a device out of service. The record comes first: whoever gives credentials checks it after giving them, and takes them back;
 * then the identity is disabled, which also ends the connections that there are. A crash between the two is healed by the retry.
 */
import { Long } from 'mongodb';
import type { AssignmentDocument, DeviceDocument } from '../../../shared/database/collections.ts';
import { appendEvents } from '../../../shared/database/events.ts';
import { unusableThumbprint } from '../../../shared/identities.ts';
import { cancelledResult } from '../../../shared/messages/backend-result.ts';
import { assignmentEvent, deviceEvent } from '../../../shared/messages/fleet-event.ts';
import { bigint } from '../../../shared/messages/long.ts';
import { commit, type Fleet } from '../fleet.ts';
import { deviceNamed } from './find.ts';

export async function retireDevice(fleet: Fleet, deviceId: string, reason: string): Promise<DeviceDocument> {
  const device = await commit(fleet, async (session) => {
    const { devices, assignments, orders, events, counters } = fleet.database.collections;
    const before = await deviceNamed(fleet, deviceId, session);
    if (before.retireTime !== null) return before;
    const now = new Date(fleet.clock.now());
    const retired: Partial<DeviceDocument> = {
      retireTime: now,
      retireReason: reason,
      revision: Long.fromBigInt(bigint(before.revision) + 1n),
    };
    await devices.updateOne({ _id: deviceId }, { $set: retired }, { session });
    const after: DeviceDocument = { ...before, ...retired };

    const open = await assignments.find({ deviceId, goesOn: true }, { session }).toArray();
    const ended: AssignmentDocument[] = open.map((assignment) => ({
      ...assignment,
      state: 'ended',
      stateTime: now,
      goesOn: false,
      cancel: assignment.cancel ?? { reason, time: now },
      result: cancelledResult(assignment, before, now),
    }));
    for (const { _id, state, stateTime, goesOn, cancel, result } of ended) {
      await assignments.updateOne(
        { _id },
        { $set: { state, stateTime, goesOn, cancel, result } },
        { session },
      );
    }
    await orders.updateMany(
      { deviceId, state: 'due' },
      { $set: { state: 'given_up', lastError: 'the device is retired', expireTime: now } },
      { session },
    );
    const told = [deviceEvent(after), ...ended.map(assignmentEvent)];
    await appendEvents(session, { events, counters }, told, now);
    return after;
  });
  await fleet.identities.replace({
    deviceId,
    enabled: false,
    primaryThumbprint: unusableThumbprint(),
    secondaryThumbprint: null,
  });
  return device;
}
