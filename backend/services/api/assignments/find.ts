/** Finds assignments: one, or those that a filter selects. */
import { create } from '@bufbuild/protobuf';
import {
  AssignmentState,
  type ListAssignmentsRequest,
  ListAssignmentsRequestSchema,
  type ListAssignmentsResponse,
  ListAssignmentsResponseSchema,
} from '@iotdh/proto/fleet/v1';
import type { ClientSession, Filter } from 'mongodb';
import type { AssignmentDocument } from '../../../shared/database/collections.ts';
import { assignmentMessage } from '../../../shared/messages/assignment.ts';
import type { Fleet } from '../fleet.ts';
import { newestPage } from '../newest-page.ts';
import { refuse } from '../refusal.ts';

/** Refuses with `not_found`. */
export async function assignmentNamed(
  fleet: Fleet,
  assignmentId: string,
  session?: ClientSession,
): Promise<AssignmentDocument> {
  const { assignments } = fleet.database.collections;
  const assignment = await assignments.findOne({ _id: assignmentId }, session && { session });
  return assignment ?? refuse({ kind: 'not_found', resource: 'assignment', id: assignmentId });
}

const states: Partial<Record<AssignmentState, AssignmentDocument['state']>> = {
  [AssignmentState.WAITING]: 'waiting',
  [AssignmentState.IN_TRANSIT]: 'in_transit',
  [AssignmentState.AWAITING_CONSENT]: 'awaiting_consent',
  [AssignmentState.APPLYING]: 'applying',
  [AssignmentState.ENDED]: 'ended',
};

export async function listAssignments(
  fleet: Fleet,
  request: ListAssignmentsRequest,
): Promise<ListAssignmentsResponse> {
  const { deviceId, packId } = request;
  const wanted = request.states.flatMap((state) => states[state] ?? []);
  const filter: Filter<AssignmentDocument> = {
    ...(deviceId !== '' && { deviceId }),
    ...(packId !== '' && { packId }),
    ...(wanted.length > 0 && { state: { $in: wanted } }),
  };
  const { assignments } = fleet.database.collections;
  const { page, nextPageToken } = await newestPage(
    assignments,
    'createTime',
    filter,
    ListAssignmentsRequestSchema,
    request,
  );
  return create(ListAssignmentsResponseSchema, { assignments: page.map(assignmentMessage), nextPageToken });
}
