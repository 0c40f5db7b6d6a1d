/** A device that is ready asks for the offer it may have missed: it gets what is assigned to it now, or that nothing is. */
import type { OfferRequest } from '@iotdh/proto/bus/v1';
import type { Clock } from '../../../shared/clock.ts';
import type { Collections } from '../../../shared/database/collections.ts';
import { appendOrder } from '../../../shared/database/orders.ts';
import type { Transact } from '../../../shared/database/transaction.ts';
import { metadataInForce } from '../../../shared/messages/metadata.ts';
import { offerOf } from '../../../shared/messages/offer.ts';
import type { Asker } from '../frames/answers.ts';

export type OffersOptions = { transact: Transact; collections: Collections; clock: Clock };

/** `waiting`: an offer or a withdrawal is due already, and says more. `nothing`: the device's pointer is told to go. */
export type OfferAnswer = 'offered' | 'waiting' | 'nothing' | 'unknown_device';

/** Rejects when the database does not answer. */
export type AnswerOffer = (request: OfferRequest, asker: Asker) => Promise<OfferAnswer>;

export function createOffers({ transact, collections, clock }: OffersOptions): AnswerOffer {
  const { assignments, devices, orders } = collections;

  return (_request, { deviceId, traceParent }) =>
    transact(async (session) => {
      if ((await devices.findOne({ _id: deviceId }, { session })) === null) return 'unknown_device';
      const due = { deviceId, state: 'due' as const, kind: { $in: ['offer' as const, 'cancel' as const] } };
      if ((await orders.findOne(due, { session })) !== null) return 'waiting';
      // Whatever assignment the device's pointer names: the one that goes on is what it is to have.
      const assignment = await assignments.findOne({ deviceId, goesOn: true }, { session });
      const common = { deviceId, kind: 'offer' as const, now: new Date(clock.now()) };
      if (assignment === null || assignment.cancel !== null) {
        const nothing = { assignmentId: '', payload: null, pointer: null, traceParent };
        await appendOrder(session, collections, { ...common, ...nothing });
        return 'nothing';
      }
      const { _id: assignmentId } = assignment;
      const trace = { traceParent: traceParent === '' ? assignment.traceParent : traceParent };
      const offer = offerOf(assignment, await metadataInForce(collections.metadata, { session }));
      await appendOrder(session, collections, { ...common, ...trace, assignmentId, ...offer });
      return 'offered';
    });
}
