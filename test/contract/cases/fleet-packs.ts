/** Golden cases of iotdh.fleet.v1: packs, assignments and the error details. */
import {
  AssignmentSchema,
  AssignmentState,
  CancelAssignmentRequestSchema,
  CancelAssignmentResponseSchema,
  CarrierPolicy,
  CreateAssignmentsRequestSchema,
  CreateAssignmentsResponseSchema,
  CreatePackRequestSchema,
  CreatePackResponseSchema,
  ErrorInfoSchema,
  ErrorReason,
  GetAssignmentRequestSchema,
  GetAssignmentResponseSchema,
  GetPackManifestRequestSchema,
  GetPackManifestResponseSchema,
  GetPackRequestSchema,
  GetPackResponseSchema,
  ListAssignmentsRequestSchema,
  ListAssignmentsResponseSchema,
  ListPacksRequestSchema,
  ListPacksResponseSchema,
  ManifestRejectedSchema,
  ObjectsMissingSchema,
  PackSchema,
  PackState,
  PassThroughMissingSchema,
  PublishPackRequestSchema,
  PublishPackResponseSchema,
  ResourceConflictSchema,
  ResourceKind,
  ResourceNotFoundSchema,
  RevisionMismatchSchema,
  YankPackRequestSchema,
  YankPackResponseSchema,
} from '@iotdh/proto/fleet/v1';
import { progress } from './agent.ts';
import { updateResult } from './bus.ts';
import { cases } from './cases.ts';
import { at, digest, lasting, mapping, uuid } from './examples.ts';
import { manifestRef, sbomRef } from './manifest.ts';

const packId = uuid(81);
export const pack = {
  packId,
  manifest: manifestRef,
  title: 'Carto Mapping 8.1.0',
  state: PackState.DRAFT,
  createTime: at(0),
};
const yankedPack = {
  ...pack,
  summary: 'Maps faster.',
  state: PackState.YANKED,
  objectBytes: 2_670_000n,
  publishTime: at(60),
  yankReason: 'Freezes on start',
  sbom: sbomRef,
};
export const assignment = {
  assignmentId: uuid(61),
  deviceId: 'ws-0001',
  packId,
  state: AssignmentState.IN_TRANSIT,
  stateTime: at(1),
  createTime: at(0),
  creator: 'operator@example.org',
};
const endedAssignment = {
  ...assignment,
  state: AssignmentState.ENDED,
  progress,
  result: updateResult,
  notBefore: at(3600),
  notAfter: at(86_400),
  fallbackPackId: uuid(82),
  carrierPolicy: CarrierPolicy.HTTPS,
};
const manifest = new Uint8Array([0x08, 0x01]);

export const fleetPackCases = [
  cases(PackSchema, { minimal: pack, full: yankedPack }),
  cases(CreatePackRequestSchema, { minimal: { manifest }, full: { manifest, sbom: sbomRef } }),
  cases(CreatePackResponseSchema, {
    minimal: { pack },
    full: { pack, missingObjectDigests: [digest(0xb1)] },
  }),
  cases(PublishPackRequestSchema, { full: { packId } }),
  cases(PublishPackResponseSchema, { full: { pack } }),
  cases(GetPackRequestSchema, { full: { packId } }),
  cases(GetPackResponseSchema, { full: { pack } }),
  cases(GetPackManifestRequestSchema, { full: { packId } }),
  cases(GetPackManifestResponseSchema, { full: { manifest } }),
  cases(ListPacksRequestSchema, {
    minimal: {},
    full: { name: 'carto-mapping', states: [PackState.PUBLISHED], pageSize: 1000, pageToken: 'p2' },
  }),
  cases(ListPacksResponseSchema, { minimal: {}, full: { packs: [pack], nextPageToken: 'p3' } }),
  cases(YankPackRequestSchema, { full: { packId, reason: 'Freezes on start' } }),
  cases(YankPackResponseSchema, { full: { pack } }),
  cases(
    AssignmentSchema,
    {
      minimal: assignment,
      'falling-back': { ...endedAssignment, state: AssignmentState.IN_TRANSIT },
      full: endedAssignment,
    },
    {
      'ended-without-result': [{ result: undefined }, ': assignment.ended_has_result'],
    },
  ),
  cases(CreateAssignmentsRequestSchema, {
    minimal: { packId, deviceIds: ['w'] },
    full: {
      packId,
      deviceIds: ['ws-0001', 'ws-0002'],
      notBefore: at(3600),
      notAfter: at(86_400),
      requestId: uuid(92),
      fallbackPackId: uuid(82),
      carrierPolicy: CarrierPolicy.OFFLINE,
    },
  }),
  cases(CreateAssignmentsResponseSchema, { full: { assignments: [assignment] } }),
  cases(GetAssignmentRequestSchema, { full: { assignmentId: uuid(61) } }),
  cases(GetAssignmentResponseSchema, { full: { assignment } }),
  cases(ListAssignmentsRequestSchema, {
    minimal: {},
    full: {
      deviceId: 'ws-0001',
      packId,
      states: [AssignmentState.WAITING],
      pageSize: 1000,
      pageToken: 'p2',
    },
  }),
  cases(ListAssignmentsResponseSchema, {
    minimal: {},
    full: { assignments: [assignment], nextPageToken: 'p3' },
  }),
  cases(CancelAssignmentRequestSchema, { full: { assignmentId: uuid(61), reason: 'Wrong ring' } }),
  cases(CancelAssignmentResponseSchema, { full: { assignment } }),
  cases(ErrorInfoSchema, {
    minimal: {},
    full: { reason: ErrorReason.RESOURCE_CONFLICT, retryable: true, retryDelay: lasting(5) },
  }),
  cases(ResourceNotFoundSchema, { full: { kind: ResourceKind.DEVICE, id: 'ws-0001' } }),
  cases(ResourceConflictSchema, { full: { kind: ResourceKind.PACK, id: packId } }),
  cases(RevisionMismatchSchema, { minimal: {}, full: { givenRevision: 3n, currentRevision: 4n } }),
  cases(ManifestRejectedSchema, { full: { problems: ['name: must not be empty'] } }),
  cases(ObjectsMissingSchema, { full: { objectDigests: [digest(0xb1)] } }),
  cases(PassThroughMissingSchema, {
    minimal: { deviceId: 'ws-0001', missing: mapping },
    full: { deviceId: 'ws-0001', missing: mapping, packId: uuid(71) },
  }),
];
