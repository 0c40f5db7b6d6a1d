/** The services of a fleet, called as the operator whose token it is. */
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { type Client, createClient, type Interceptor } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-web';
import { BrokerService } from '@iotdh/proto/broker/v1';
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
import type { Terminal } from '../terminal.ts';
import { findTarget, type Target, type TargetOptions } from './target.ts';

export type Fleet = {
  devices: Client<typeof DeviceService>;
  packs: Client<typeof PackService>;
  assignments: Client<typeof AssignmentService>;
  events: Client<typeof EventService>;
  logs: Client<typeof LogService>;
  audit: Client<typeof AuditService>;
  plans: Client<typeof PlanService>;
  quota: Client<typeof QuotaService>;
  broker: Client<typeof BrokerService>;
  trust: Client<typeof TrustService>;
};

/** How long a call may take unless it says otherwise: manifests of 16 MiB travel in one. */
const callMs = 60_000;

/** Throws a `Failure` when it is not known which fleet is meant. */
export async function connectFleet(options: TargetOptions, terminal: Terminal): Promise<Fleet> {
  return fleetAt(await findTarget(options, terminal));
}

export function fleetAt(target: Target): Fleet {
  // Node's fetch has no option for an authority, and the upload goes by another client again: the process trusts it.
  if (target.caPem !== '') setDefaultCACertificates([...getCACertificates('default'), target.caPem]);
  const asOperator: Interceptor = (next) => (request) => {
    if (target.token !== '') request.header.set('Authorization', `Bearer ${target.token}`);
    return next(request);
  };
  const transport = (baseUrl: string) =>
    createConnectTransport({
      baseUrl,
      useBinaryFormat: true,
      defaultTimeoutMs: callMs,
      interceptors: [asOperator],
    });
  const api = transport(target.apiUrl);
  return {
    devices: createClient(DeviceService, api),
    packs: createClient(PackService, api),
    assignments: createClient(AssignmentService, api),
    events: createClient(EventService, api),
    logs: createClient(LogService, api),
    audit: createClient(AuditService, api),
    trust: createClient(TrustService, api),
    plans: createClient(PlanService, api),
    quota: createClient(QuotaService, api),
    broker: createClient(BrokerService, transport(target.brokerUrl)),
  };
}
