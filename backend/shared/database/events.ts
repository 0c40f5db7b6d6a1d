/** The stream of what happens in the fleet, which EventService.Watch reads. */
import { type ClientSession, Long } from 'mongodb';
import type { Collections, EventDocument } from './collections.ts';

export type NewEvent = Pick<EventDocument, 'topic' | 'deviceId' | 'event'>;

/**
 * Appends events in the transaction of what they tell, numbered without a gap in the order of the commits: the counter is
 * one document, which the transaction holds until it commits. Call it last, so that others wait for it briefly. Answers
 * the number of the last event, null when there are none.
 */
export async function appendEvents(
  session: ClientSession,
  collections: Pick<Collections, 'events' | 'counters'>,
  events: readonly NewEvent[],
  now: Date,
): Promise<Long | null> {
  if (events.length === 0) return null;
  const counter = await collections.counters.findOneAndUpdate(
    { _id: 'events' },
    { $inc: { value: Long.fromNumber(events.length) } },
    { upsert: true, returnDocument: 'after', session },
  );
  if (counter === null) throw new Error('the counter of events was not there after its upsert');
  const last = counter.value;
  const first = last.subtract(events.length - 1);
  await collections.events.insertMany(
    events.map((event, index) => ({ _id: first.add(index), time: now, ...event })),
    { session },
  );
  return last;
}
