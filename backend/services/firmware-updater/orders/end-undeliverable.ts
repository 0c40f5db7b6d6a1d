/** An order that can never be carried out ends the assignment that it is for: nobody else would, and an operator would wait for ever. */
import type { Clock } from '../../../shared/clock.ts';
import type { AssignmentDocument, Collections, OrderDocument } from '../../../shared/database/collections.ts';
import { appendEvents } from '../../../shared/database/events.ts';
import { appendOrder } from '../../../shared/database/orders.ts';
import type { Transact } from '../../../shared/database/transaction.ts';
import { cancelledResult, undeliverableResult } from '../../../shared/messages/backend-result.ts';
import { assignmentEvent } from '../../../shared/messages/fleet-event.ts';

export type EndUndeliverableOptions = { transact: Transact; collections: Collections; clock: Clock };

/**
 * Ends the assignment of an order that is given up: as withdrawn if it is, else as refused with the reason. One that the device has
 * taken up stays, because the device will tell its end. The twin may point at it already, and is told that it points at nothing.
 * Called again, it does nothing. Rejects when the database does not answer.
 */
export function createEndUndeliverable({ transact, collections, clock }: EndUndeliverableOptions) {
  const { assignments, devices } = collections;

  return ({ kind, assignmentId, deviceId }: OrderDocument, reason: string): Promise<void> =>
    transact(async (session) => {
      if ((kind !== 'offer' && kind !== 'cancel') || assignmentId === '') return;
      const before = await assignments.findOne({ _id: assignmentId, goesOn: true }, { session });
      const device = await devices.findOne({ _id: deviceId }, { session });
      if (before === null || device === null || (before.state !== 'waiting' && before.cancel === null))
        return;
      const now = new Date(clock.now());
      const ended = {
        ...{ state: 'ended' as const, stateTime: now, goesOn: false },
        result:
          before.cancel === null
            ? undeliverableResult(before, device, now, `the update could not be offered: ${reason}`)
            : cancelledResult(before, device, now),
      };
      await assignments.updateOne({ _id: assignmentId }, { $set: ended }, { session });
      if (kind === 'offer') {
        await appendOrder(session, collections, {
          ...{ deviceId, kind: 'pointer', assignmentId, payload: null, pointer: null },
          ...{ traceParent: before.traceParent, now },
        });
      }
      const after: AssignmentDocument = { ...before, ...ended };
      await appendEvents(session, collections, [assignmentEvent(after)], now);
    });
}
