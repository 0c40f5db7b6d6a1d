/** Reads from the database what deciding on a batch needs, one query for each collection that the batch touches. */
import type { ClientSession, Collection } from 'mongodb';
import type { AssignmentDocument, Collections } from '../../shared/database/collections.ts';
import { stateId } from './documents.ts';
import type { Incoming } from './incoming.ts';
import type { Known } from './writes.ts';

type Wanted = {
  devices: Set<string>;
  movedDevices: Set<string>;
  namedAssignments: Set<string>;
  states: Set<string>;
  consents: Set<string>;
  updateResults: Set<string>;
  logBatches: Set<string>;
  received: Set<string>;
};

function wantedBy(batch: readonly Incoming[]): Wanted {
  const wanted: Wanted = {
    devices: new Set(),
    movedDevices: new Set(),
    namedAssignments: new Set(),
    states: new Set(),
    consents: new Set(),
    updateResults: new Set(),
    logBatches: new Set(),
    received: new Set(),
  };
  for (const incoming of batch) {
    if (incoming.kind !== 'message' && incoming.kind !== 'connection') continue;
    const { deviceId } = incoming;
    wanted.devices.add(deviceId);
    if (incoming.kind === 'connection') continue;
    const { messageId, journalId, payload } = incoming.message;
    if (payload.case === 'stateChanged') {
      wanted.movedDevices.add(deviceId);
      wanted.states.add(stateId(deviceId, journalId, payload.value));
    } else if (payload.case === 'consent') wanted.consents.add(messageId);
    else if (payload.case === 'updateResult') {
      wanted.updateResults.add(messageId);
      wanted.namedAssignments.add(payload.value.assignmentId);
    } else if (payload.case === 'logBatch') {
      if (payload.value.entries.length > 0) wanted.logBatches.add(messageId);
      else wanted.received.add(messageId);
    } else if (payload.case === 'hello' || payload.case === 'dicomStatus') wanted.received.add(messageId);
  }
  return wanted;
}

/** Which of these ids the collection has. */
async function present<T extends { _id: string }>(
  collection: Collection<T>,
  ids: ReadonlySet<string>,
  session: ClientSession,
): Promise<Set<string>> {
  if (ids.size === 0) return new Set();
  // The driver's types cannot see that `_id` of any such document is a string.
  const strings = collection as unknown as Collection<{ _id: string }>;
  const found = await strings.find({ _id: { $in: [...ids] } }, { projection: { _id: 1 }, session }).toArray();
  return new Set(found.map(({ _id }) => _id));
}

async function assignmentsOf(
  { assignments }: Collections,
  { movedDevices, namedAssignments }: Wanted,
  session: ClientSession,
): Promise<AssignmentDocument[]> {
  const found: AssignmentDocument[] = [];
  if (movedDevices.size > 0) {
    const filter = { deviceId: { $in: [...movedDevices] }, goesOn: true };
    found.push(...(await assignments.find(filter, { session }).toArray()));
  }
  if (namedAssignments.size > 0) {
    const filter = { _id: { $in: [...namedAssignments] } };
    found.push(...(await assignments.find(filter, { session }).toArray()));
  }
  return found;
}

/** Reads within the transaction in which the decision is written, one query after another, as a transaction needs it. */
export async function readKnown(
  session: ClientSession,
  collections: Collections,
  batch: readonly Incoming[],
): Promise<Known> {
  const wanted = wantedBy(batch);
  const devices =
    wanted.devices.size === 0
      ? []
      : await collections.devices.find({ _id: { $in: [...wanted.devices] } }, { session }).toArray();
  const assignments = await assignmentsOf(collections, wanted, session);
  const states = await present(collections.states, wanted.states, session);
  const consents = await present(collections.consents, wanted.consents, session);
  const updateResults = await present(collections.updateResults, wanted.updateResults, session);
  const received = await present(collections.received, wanted.received, session);
  const firstLines = new Set([...wanted.logBatches].map((messageId) => `${messageId}/0`));
  const logLines = await present(collections.logLines, firstLines, session);
  return {
    devices: new Map(devices.map((device) => [device._id, device])),
    assignments: new Map(assignments.map((assignment) => [assignment._id, assignment])),
    states,
    consents,
    updateResults,
    received,
    // Those without lines are known by `received`, those with lines by their first line.
    logBatches: new Set([...received, ...[...logLines].map((id) => id.slice(0, id.lastIndexOf('/')))]),
  };
}
