/** Writes what was decided on, within its transaction. */
import type { AnyBulkWriteOperation, ClientSession } from 'mongodb';
import type {
  AssignmentDocument,
  Collections,
  DeviceDocument,
  LogCollectionDocument,
} from '../../shared/database/collections.ts';
import { appendEvents } from '../../shared/database/events.ts';
import { appendOrder } from '../../shared/database/orders.ts';
import type { Writes } from './writes.ts';

/** Only what this service decides on: an operator may change the rest at the same time. */
function deviceUpdate(device: DeviceDocument): AnyBulkWriteOperation<DeviceDocument> {
  const { _id, connectivity, lastSeenTime, report, reportOrder } = device;
  return {
    updateOne: { filter: { _id }, update: { $set: { connectivity, lastSeenTime, report, reportOrder } } },
  };
}

function assignmentUpdate(assignment: AssignmentDocument): AnyBulkWriteOperation<AssignmentDocument> {
  const { _id, state, stateTime, goesOn, progress, result } = assignment;
  return {
    updateOne: { filter: { _id }, update: { $set: { state, stateTime, goesOn, progress, result } } },
  };
}

function collectionUpdate(
  change: Writes['logCollections'][number],
): AnyBulkWriteOperation<LogCollectionDocument> {
  const { collectionId, deviceId, entries, last } = change;
  return {
    updateOne: {
      // Named by another device, it stays as it is.
      filter: { _id: collectionId, deviceId },
      update: { $inc: { entries }, $set: { state: last ? 'complete' : 'arriving' } },
    },
  };
}

/** Whether there is anything to write in a transaction. */
export function changesAnything(writes: Writes): boolean {
  const { devices, assignments, states, consents, updateResults, logLines, logCollections } = writes;
  const lists = [states, consents, updateResults, logLines, logCollections, writes.received, writes.events];
  return devices.size > 0 || assignments.size > 0 || lists.some((list) => list.length > 0);
}

export async function writeKnown(
  session: ClientSession,
  collections: Collections,
  writes: Writes,
  now: Date,
): Promise<void> {
  const { states, consents, updateResults, logLines, received } = writes;
  if (states.length > 0) await collections.states.insertMany(states, { session });
  if (consents.length > 0) await collections.consents.insertMany(consents, { session });
  if (updateResults.length > 0) await collections.updateResults.insertMany(updateResults, { session });
  if (logLines.length > 0) await collections.logLines.insertMany(logLines, { session });
  if (received.length > 0) await collections.received.insertMany(received, { session });
  const devices = [...writes.devices.values()].map(deviceUpdate);
  if (devices.length > 0) await collections.devices.bulkWrite(devices, { session });
  const assignments = [...writes.assignments.values()].map(assignmentUpdate);
  if (assignments.length > 0) await collections.assignments.bulkWrite(assignments, { session });
  const logCollections = writes.logCollections.map(collectionUpdate);
  if (logCollections.length > 0) await collections.logCollections.bulkWrite(logCollections, { session });
  for (const order of writes.orders) await appendOrder(session, collections, order);
  await appendEvents(session, collections, writes.events, now);
}
