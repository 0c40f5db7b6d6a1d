/** Golden cases of iotdh.fleet.v1: the audit trail. */
import {
  AuditRecordSchema,
  ListApplicationsRequestSchema,
  ListApplicationsResponseSchema,
  ListConsentsRequestSchema,
  ListConsentsResponseSchema,
  RecordedApplicationSchema,
  RecordedConsentSchema,
} from '@iotdh/proto/fleet/v1';
import { consent, stateChanged } from './agent.ts';
import { cases } from './cases.ts';
import { at, uuid } from './examples.ts';

const recorded = { deviceId: 'ws-0001', receiveTime: at(10), consent };
const application = { deviceId: 'ws-0001', receiveTime: at(11), journalId: uuid(1), move: stateChanged };
const page = { deviceId: 'ws-0001', pageSize: 1000, pageToken: 'p2' };

export const fleetAuditCases = [
  cases(RecordedConsentSchema, { full: recorded }),
  cases(RecordedApplicationSchema, { full: application }),
  cases(AuditRecordSchema, {
    minimal: {},
    application: { kind: { case: 'application', value: application } },
    full: { kind: { case: 'consent', value: recorded } },
  }),
  cases(ListConsentsRequestSchema, { minimal: {}, full: page }),
  cases(ListConsentsResponseSchema, { minimal: {}, full: { consents: [recorded], nextPageToken: 'p3' } }),
  cases(ListApplicationsRequestSchema, { minimal: {}, full: page }),
  cases(ListApplicationsResponseSchema, {
    minimal: {},
    full: { applications: [application], nextPageToken: 'p3' },
  }),
];
