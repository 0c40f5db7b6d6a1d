/** Assigns a pack to devices: the assignments, the orders that tell the devices and the events, all or none of them. */
import { create } from '@bufbuild/protobuf';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import {
  type CreateAssignmentsRequest,
  CreateAssignmentsRequestSchema,
  type CreateAssignmentsResponse,
  CreateAssignmentsResponseSchema,
} from '@iotdh/proto/fleet/v1';
import type { ClientSession } from 'mongodb';
import type { AssignmentDocument, PackDocument } from '../../../shared/database/collections.ts';
import { appendEvents } from '../../../shared/database/events.ts';
import { appendOrders } from '../../../shared/database/orders.ts';
import { assignmentMessage } from '../../../shared/messages/assignment.ts';
import { policyToKeep } from '../../../shared/messages/carrier-policy.ts';
import { assignmentEvent } from '../../../shared/messages/fleet-event.ts';
import { frameSize } from '../../../shared/messages/frame.ts';
import { metadataInForce } from '../../../shared/messages/metadata.ts';
import { offerOf } from '../../../shared/messages/offer.ts';
import { findAnswer, keepAnswer } from '../answers.ts';
import { type Caller, commit, type Fleet, isDuplicate } from '../fleet.ts';
import { packNamed } from '../packs/find.ts';
import { refuse } from '../refusal.ts';
import { refuseSkipping } from './pass-through.ts';

export async function createAssignments(
  fleet: Fleet,
  request: CreateAssignmentsRequest,
  caller: Caller,
): Promise<CreateAssignmentsResponse> {
  const { requests } = fleet.database.collections;
  const key = {
    operator: caller.operator,
    requestId: request.requestId,
    request,
    requestSchema: CreateAssignmentsRequestSchema,
    responseSchema: CreateAssignmentsResponseSchema,
  };
  const answered = await findAnswer(requests, key);
  if (answered !== null) return answered;
  const period = periodOf(request);
  try {
    return await commit(fleet, async (session) => {
      const packs = await assignablePacks(fleet, request, session);
      await refuseUnsigned(fleet, packs);
      await refuseUnfit(fleet, request.deviceIds, session);
      await refuseSkipping(fleet, packs.pack, request.deviceIds, session);
      const now = new Date(fleet.clock.now());
      const { traceParent, operator: creator } = caller;
      const carrierPolicy = policyToKeep(request.carrierPolicy);
      const documents = request.deviceIds.map((deviceId) =>
        newAssignment(fleet, { deviceId, ...packs, ...period, carrierPolicy, now, creator, traceParent }),
      );
      await keep(fleet, session, documents, now);
      const response = create(CreateAssignmentsResponseSchema, {
        assignments: documents.map(assignmentMessage),
      });
      await keepAnswer(session, requests, key, response, now.getTime());
      const { events, counters } = fleet.database.collections;
      await appendEvents(session, { events, counters }, documents.map(assignmentEvent), now);
      return response;
    });
  } catch (error) {
    if (!isDuplicate(error)) throw error;
    // Another replica was faster: with this very request, or with another one for a device of it.
    const faster = await findAnswer(requests, key);
    if (faster !== null) return faster;
    await refuseUnfit(fleet, request.deviceIds);
    throw error;
  }
}

type Period = Pick<AssignmentDocument, 'notBefore' | 'notAfter'>;

function periodOf(request: CreateAssignmentsRequest): Period {
  const notBefore = request.notBefore === undefined ? null : timestampDate(request.notBefore);
  const notAfter = request.notAfter === undefined ? null : timestampDate(request.notAfter);
  if (notBefore !== null && notAfter !== null && notAfter < notBefore) {
    return refuse({
      kind: 'field_invalid',
      field: 'not_after',
      ruleId: 'create_assignments.period',
      message: 'must not be before not_before',
    });
  }
  return { notBefore, notAfter };
}

type Packs = { pack: PackDocument; fallback: PackDocument | null };

async function assignablePacks(
  fleet: Fleet,
  { packId, fallbackPackId }: CreateAssignmentsRequest,
  session: ClientSession,
): Promise<Packs> {
  const unassignable = (id: string, why: string) => refuse({ kind: 'pack_not_assignable', packId: id, why });
  const pack = await packNamed(fleet, packId, session);
  if (pack.state !== 'published')
    return unassignable(packId, `is ${pack.state}, and only a published pack can be assigned`);
  if (fallbackPackId === '') return { pack, fallback: null };
  const fallback = await packNamed(fleet, fallbackPackId, session);
  if (pack.manifest.kind !== 'patch') return unassignable(packId, 'is a BASE, which falls back to nothing');
  if (fallback.state !== 'published') {
    return unassignable(
      fallbackPackId,
      `is ${fallback.state}, and only a published pack can be fallen back to`,
    );
  }
  if (fallback.manifest.kind !== 'base') return unassignable(fallbackPackId, 'is no BASE to fall back to');
  return { pack, fallback };
}

/** People may have taken a pack out of what is signed after it was published. */
async function refuseUnsigned({ repository }: Fleet, { pack, fallback }: Packs): Promise<void> {
  for (const { _id: packId, manifest, sbom } of fallback === null ? [pack] : [pack, fallback]) {
    if (await repository.signs(manifest, sbom ?? null)) continue;
    refuse({ kind: 'pack_not_signed', packId, path: `${manifest.name}/${manifest.version}`, for: 'assign' });
  }
}

/** Refuses for the first device, in the order of the request, that cannot take an assignment. */
async function refuseUnfit(
  fleet: Fleet,
  deviceIds: readonly string[],
  session?: ClientSession,
): Promise<void> {
  const { devices, assignments } = fleet.database.collections;
  const inSession = session && { session };
  const found = await devices
    .find({ _id: { $in: [...deviceIds] } }, { projection: { retireTime: 1 }, ...inSession })
    .toArray();
  const retireTimes = new Map(found.map(({ _id, retireTime }) => [_id, retireTime]));
  for (const deviceId of deviceIds) {
    const retireTime = retireTimes.get(deviceId);
    if (retireTime === undefined) refuse({ kind: 'not_found', resource: 'device', id: deviceId });
    if (retireTime !== null) refuse({ kind: 'device_retired', deviceId });
  }
  const open = await assignments
    .find({ deviceId: { $in: [...deviceIds] }, goesOn: true }, { projection: { _id: 1 }, ...inSession })
    .limit(1)
    .toArray();
  const [inTheWay] = open;
  if (inTheWay !== undefined) refuse({ kind: 'conflict', resource: 'assignment', id: inTheWay._id });
}

type New = Packs &
  Period &
  Required<Pick<AssignmentDocument, 'carrierPolicy'>> & {
    deviceId: string;
    now: Date;
    creator: string;
    traceParent: string;
  };

function newAssignment(fleet: Fleet, options: New): AssignmentDocument {
  const { deviceId, pack, fallback, notBefore, notAfter, carrierPolicy, now, creator, traceParent } = options;
  return {
    _id: fleet.newId(),
    deviceId,
    packId: pack._id,
    fallbackPackId: fallback?._id ?? null,
    manifest: pack.manifest,
    fallback: fallback?.manifest ?? null,
    title: pack.title,
    transferId: fleet.newId(),
    frameSize,
    carrierPolicy,
    state: 'waiting',
    stateTime: now,
    goesOn: true,
    cancel: null,
    progress: null,
    result: null,
    notBefore,
    notAfter,
    createTime: now,
    creator,
    traceParent,
  };
}

async function keep(
  fleet: Fleet,
  session: ClientSession,
  documents: readonly AssignmentDocument[],
  now: Date,
): Promise<void> {
  const { assignments, devices, orders, metadata } = fleet.database.collections;
  const inForce = await metadataInForce(metadata, { session });
  await assignments.insertMany([...documents], { session });
  await appendOrders(
    session,
    { devices, orders },
    documents.map((assignment) => ({
      deviceId: assignment.deviceId,
      kind: 'offer' as const,
      assignmentId: assignment._id,
      ...offerOf(assignment, inForce),
      traceParent: assignment.traceParent,
      now,
    })),
  );
}
