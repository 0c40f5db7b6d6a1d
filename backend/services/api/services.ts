/** The services of the contract, each method in terms of what carries it out. */
import type { ConnectRouter, HandlerContext, ServiceImpl } from '@connectrpc/connect';
import {
  AssignmentService,
  AuditService,
  DeviceService,
  EventService,
  LogService,
  PackService,
  PlanService,
  QuotaService,
  TrustService,
} from '@iotdh/proto/fleet/v1';
import { assignmentMessage } from '../../shared/messages/assignment.ts';
import { deviceMessage } from '../../shared/messages/device.ts';
import { packMessage } from '../../shared/messages/pack.ts';
import { traceParentIn } from '../../shared/rpc/spans.ts';
import { cancelAssignment } from './assignments/cancel.ts';
import { createAssignments } from './assignments/create.ts';
import { assignmentNamed, listAssignments } from './assignments/find.ts';
import { listApplications, listConsents } from './audit/list.ts';
import { operatorOf } from './caller.ts';
import { issueEnrolmentToken } from './devices/enrolment-token.ts';
import { deviceNamed, listDevices } from './devices/find.ts';
import { purgeDevice } from './devices/purge.ts';
import { registerDevice } from './devices/register.ts';
import { retireDevice } from './devices/retire.ts';
import { updateDevice } from './devices/update.ts';
import type { EventTail } from './events/tail.ts';
import { watch } from './events/watch.ts';
import type { Caller, Fleet } from './fleet.ts';
import { collectionMessage, collectionNamed, collectLogs } from './logs/collect.ts';
import { listLogs } from './logs/list.ts';
import { createPack, type PackIntake } from './packs/create.ts';
import { listPacks, manifestBytes, packNamed } from './packs/find.ts';
import { publishPack, yankPack } from './packs/publish.ts';
import { planUpdate } from './plans/plan-update.ts';
import { getQuota, setQuotaShares } from './quota/quota.ts';
import { trust } from './trust/serve.ts';

export type ServicesOptions = { fleet: Fleet; intake: PackIntake; tail: EventTail };

const callerOf = (context: HandlerContext): Caller => ({
  operator: operatorOf(context).name,
  traceParent: traceParentIn(context),
});

export function registerServices(router: ConnectRouter, { fleet, intake, tail }: ServicesOptions): void {
  router
    .service(DeviceService, devices(fleet))
    .service(PackService, packs(fleet, intake))
    .service(AssignmentService, assignments(fleet))
    .service(EventService, events(fleet, tail))
    .service(LogService, logs(fleet))
    .service(PlanService, plans(fleet))
    .service(QuotaService, quotas(fleet))
    .service(AuditService, audit(fleet))
    .service(TrustService, trust(fleet.repository));
}

const devices = (fleet: Fleet): ServiceImpl<typeof DeviceService> => ({
  registerDevice: (request, context) => registerDevice(fleet, request, callerOf(context)),
  issueEnrolmentToken: (request, context) => issueEnrolmentToken(fleet, request, callerOf(context)),
  getDevice: async ({ deviceId }) => ({ device: deviceMessage(await deviceNamed(fleet, deviceId)) }),
  listDevices: (request) => listDevices(fleet, request),
  updateDevice: (request, context) => updateDevice(fleet, request, callerOf(context)),
  retireDevice: async ({ deviceId, reason }) => ({
    device: deviceMessage(await retireDevice(fleet, deviceId, reason)),
  }),
  purgeDevice: ({ deviceId }) => purgeDevice(fleet, deviceId),
});

const packs = (fleet: Fleet, intake: PackIntake): ServiceImpl<typeof PackService> => ({
  createPack: (request) => createPack(fleet, intake, request),
  publishPack: async ({ packId }) => ({ pack: packMessage(await publishPack(fleet, intake.check, packId)) }),
  getPack: async ({ packId }) => ({ pack: packMessage(await packNamed(fleet, packId)) }),
  getPackManifest: async ({ packId }) => ({
    manifest: await manifestBytes(fleet, await packNamed(fleet, packId)),
  }),
  listPacks: (request) => listPacks(fleet, request),
  yankPack: async ({ packId, reason }) => ({ pack: packMessage(await yankPack(fleet, packId, reason)) }),
});

const assignments = (fleet: Fleet): ServiceImpl<typeof AssignmentService> => ({
  createAssignments: (request, context) => createAssignments(fleet, request, callerOf(context)),
  getAssignment: async ({ assignmentId }) => ({
    assignment: assignmentMessage(await assignmentNamed(fleet, assignmentId)),
  }),
  listAssignments: (request) => listAssignments(fleet, request),
  cancelAssignment: async ({ assignmentId, reason }, context) => ({
    assignment: assignmentMessage(await cancelAssignment(fleet, assignmentId, reason, callerOf(context))),
  }),
});

const events = (fleet: Fleet, tail: EventTail): ServiceImpl<typeof EventService> => ({
  watch: (request, { signal }) => watch(request, { tail, clock: fleet.clock, signal }),
});

const logs = (fleet: Fleet): ServiceImpl<typeof LogService> => ({
  listLogs: (request) => listLogs(fleet, request),
  collectLogs: async ({ deviceId, request }, context) => {
    // The contract's limits require it, and hold before any handler.
    if (request === undefined) throw new Error('a request without its content passed the limits');
    return { collection: collectionMessage(await collectLogs(fleet, deviceId, request, callerOf(context))) };
  },
  getLogCollection: async ({ collectionId }) => ({
    collection: collectionMessage(await collectionNamed(fleet, collectionId)),
  }),
});

const plans = (fleet: Fleet): ServiceImpl<typeof PlanService> => ({
  planUpdate: async (request) => ({ plan: await planUpdate(fleet, request) }),
});

const quotas = (fleet: Fleet): ServiceImpl<typeof QuotaService> => ({
  getQuota: async () => ({ quota: await getQuota(fleet) }),
  setQuotaShares: async (request) => ({ quota: await setQuotaShares(fleet, request) }),
});

const audit = (fleet: Fleet): ServiceImpl<typeof AuditService> => ({
  listConsents: (request) => listConsents(fleet, request),
  listApplications: (request) => listApplications(fleet, request),
});
