/** Withdraws an assignment: at once while the device has not answered the offer, otherwise once the device says so. */
import { create } from '@bufbuild/protobuf';
import { CancelSchema } from '@iotdh/proto/bus/v1';
import type { AssignmentDocument } from '../../../shared/database/collections.ts';
import { appendEvents } from '../../../shared/database/events.ts';
import { appendOrder } from '../../../shared/database/orders.ts';
import { cancelledResult } from '../../../shared/messages/backend-result.ts';
import { assignmentEvent } from '../../../shared/messages/fleet-event.ts';
import { deviceNamed } from '../devices/find.ts';
import { type Caller, commit, type Fleet } from '../fleet.ts';
import { refuse } from '../refusal.ts';
import { assignmentNamed } from './find.ts';

export function cancelAssignment(
  fleet: Fleet,
  assignmentId: string,
  reason: string,
  caller: Caller,
): Promise<AssignmentDocument> {
  return commit(fleet, async (session) => {
    const { assignments, devices, orders, events, counters } = fleet.database.collections;
    const before = await assignmentNamed(fleet, assignmentId, session);
    if (before.state === 'ended' || before.cancel !== null) return before;
    if (before.state === 'applying') refuse({ kind: 'update_under_way', assignmentId });
    const now = new Date(fleet.clock.now());
    const device = await deviceNamed(fleet, before.deviceId, session);
    const withdrawn = {
      cancel: { reason, time: now },
      ...(isUnanswered(before) && {
        state: 'ended' as const,
        stateTime: now,
        goesOn: false,
        result: cancelledResult(before, device, now),
      }),
    };
    const after: AssignmentDocument = { ...before, ...withdrawn };
    await assignments.updateOne({ _id: assignmentId }, { $set: withdrawn }, { session });
    await appendOrder(
      session,
      { devices, orders },
      {
        deviceId: before.deviceId,
        kind: 'cancel',
        assignmentId,
        payload: { case: 'cancel', value: create(CancelSchema, { assignmentId, reason }) },
        pointer: null,
        traceParent: caller.traceParent,
        now,
      },
    );
    await appendEvents(session, { events, counters }, [assignmentEvent(after)], now);
    return after;
  });
}

/** Nothing was ever heard of it: its state is the one it was made with. */
const isUnanswered = ({ state, stateTime, createTime, progress, result }: AssignmentDocument): boolean =>
  state === 'waiting' && stateTime.getTime() === createTime.getTime() && progress === null && result === null;
