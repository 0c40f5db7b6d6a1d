/** Golden cases of iotdh.agent.v1: what AgentService asks and answers. */
import {
  ConfirmBaseRequestSchema,
  ConfirmBaseResponseSchema,
  ConfirmPatchRequestSchema,
  ConfirmPatchResponseSchema,
  GetStateRequestSchema,
  GetStateResponseSchema,
  HeartbeatSchema,
  ImportBundleRequestSchema,
  ImportBundleResponseSchema,
  ImportOutcome,
  PollStateRequestSchema,
  PollStateResponseSchema,
  ReportVersionRequestSchema,
  ReportVersionResponseSchema,
  SetBusyRequestSchema,
  SetBusyResponseSchema,
  SetReadyRequestSchema,
  SetReadyResponseSchema,
  SubmitLogRequestSchema,
  SubmitLogResponseSchema,
  WatchStateRequestSchema,
  WatchStateResponseSchema,
} from '@iotdh/proto/agent/v1';
import {
  bareLogEntry,
  bareSnapshot,
  consent,
  hold,
  logEntry,
  person,
  progress,
  reason,
  stateChanged,
} from './agent.ts';
import { cases } from './cases.ts';
import { at, digest, lasting, mapping, uuid } from './examples.ts';
import { manifestRef } from './manifest.ts';

const snapshot = bareSnapshot;
const confirm = {
  manifestDigest: digest(0x0d),
  person,
  decision: { kind: { case: 'confirm', value: {} } },
} as const;
const confirmFully = {
  ...confirm,
  decision: { kind: { case: 'postpone', value: { until: at(3600) } } },
  shownText: 'Install Carto Mapping 8.1.0 now?',
  requestId: uuid(52),
} as const;

export const agentServiceCases = [
  cases(GetStateRequestSchema, { full: {} }),
  cases(GetStateResponseSchema, { full: { snapshot } }),
  cases(SetReadyRequestSchema, { minimal: {}, full: { leaseId: uuid(31), requestId: uuid(51) } }),
  cases(SetReadyResponseSchema, { full: { snapshot } }),
  cases(
    SetBusyRequestSchema,
    {
      minimal: { reason: {} },
      lease: { reason, leaseDuration: lasting(1) },
      full: { reason, leaseDuration: lasting(86_400), leaseId: uuid(31), requestId: uuid(51) },
    },
    { 'renewal-without-duration': [{ leaseDuration: undefined }, ': set_busy.renewal_has_duration'] },
  ),
  cases(SetBusyResponseSchema, { full: { snapshot, hold } }),
  cases(
    ConfirmPatchRequestSchema,
    { minimal: confirm, full: confirmFully },
    { undecided: [{ decision: {} }, 'decision.kind: required'] },
  ),
  cases(ConfirmPatchResponseSchema, { full: { snapshot, consent } }),
  cases(
    ConfirmBaseRequestSchema,
    { minimal: confirm, full: confirmFully },
    { nobody: [{ person: {} }, 'person.id: string.min_len', 'person.name: string.min_len'] },
  ),
  cases(ConfirmBaseResponseSchema, { full: { snapshot, consent } }),
  cases(WatchStateRequestSchema, {
    minimal: {},
    'from-the-first': { afterSequence: 0n },
    full: { afterSequence: 7n, journalId: uuid(1), heartbeatInterval: lasting(60) },
  }),
  cases(HeartbeatSchema, { minimal: { time: at(0) }, full: { sequence: 8n, time: at(15) } }),
  cases(WatchStateResponseSchema, {
    minimal: {},
    heartbeat: { kind: { case: 'heartbeat', value: { sequence: 8n, time: at(15) } } },
    progress: { kind: { case: 'progress', value: progress } },
    full: { kind: { case: 'stateChanged', value: stateChanged } },
  }),
  cases(PollStateRequestSchema, {
    minimal: {},
    'without-waiting': { afterSequence: 0n, timeout: lasting(0) },
    full: { afterSequence: 7n, journalId: uuid(1), timeout: lasting(60), maxChanges: 1000 },
  }),
  cases(PollStateResponseSchema, { minimal: { snapshot }, full: { changes: [stateChanged], snapshot } }),
  cases(ReportVersionRequestSchema, {
    minimal: { product: mapping },
    full: { product: mapping, parts: [{ product: 'Catheter interface', version: '2.4' }] },
  }),
  cases(ReportVersionResponseSchema, { full: {} }),
  cases(
    SubmitLogRequestSchema,
    {
      minimal: { entries: [bareLogEntry] },
      full: { entries: [logEntry, bareLogEntry], requestId: uuid(53) },
    },
    {
      'second-entry-empty': [
        { entries: [logEntry, { ...logEntry, message: '' }] },
        'entries[1].message: string.min_len',
      ],
    },
  ),
  cases(SubmitLogResponseSchema, { full: {} }),
  cases(ImportBundleRequestSchema, { full: { path: '/media/stick/carto-8.1' } }),
  cases(ImportBundleResponseSchema, { full: { outcome: ImportOutcome.TAKEN, manifest: manifestRef } }),
];
