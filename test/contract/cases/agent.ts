/** Golden cases of iotdh.agent.v1: the nouns and the error details. */
import {
  Activity,
  BusyReasonSchema,
  ConfirmSchema,
  ConsentEvidenceSchema,
  ConsentSchema,
  ConsentStatementSchema,
  DecisionSchema,
  DeclineSchema,
  DigestMismatchSchema,
  ErrorInfoSchema,
  ErrorReason,
  Event,
  HoldSchema,
  InstalledProductSchema,
  LeaseUnknownSchema,
  LogEntrySchema,
  LogLevel,
  PendingUpdateSchema,
  PersonSchema,
  PostponeRefusedSchema,
  PostponeSchema,
  ProductKind,
  RequestIdReusedSchema,
  SequenceUnavailableSchema,
  SignatureAlgorithm,
  SpoolFullSchema,
  State,
  StateChangedSchema,
  StateSnapshotSchema,
  TransferProgressSchema,
  TransitionRefusedSchema,
} from '@iotdh/proto/agent/v1';
import { UpdateKind } from '@iotdh/proto/update/v1';
import { cases } from './cases.ts';
import { at, digest, lasting, mapping, uuid } from './examples.ts';

export const progress = { receivedBytes: 61_440n, totalBytes: 2_000_000_000n };
export const pendingUpdate = {
  manifestDigest: digest(0x0d),
  kind: UpdateKind.PATCH,
  name: 'carto-mapping',
  version: '8.1.0',
  title: 'Carto Mapping 8.1.0',
  summary: 'Maps faster.\nFixes a freeze on export.',
  changes: ['Mapping 8.1', 'Antivirus definitions'],
  expectedDuration: lasting(600),
  restartsMachine: true,
  postponedUntil: at(86_400),
  declined: true,
};
export const reason = { activity: Activity.PROCEDURE, text: 'Ablation, room 3' };
export const hold = { leaseId: uuid(31), reason, startTime: at(0), expireTime: at(60) };
export const person = { id: 'c.okafor@example.org', name: 'Chidi Okafor' };
export const stateChanged = {
  sequence: 7n,
  from: State.WAIT_CONFIRM_PATCH,
  to: State.BUSY,
  event: Event.SDK_CMDBUSY,
  time: at(7, 123_000_000),
  progress,
  pendingUpdate,
  reason: 'Ablation, room 3',
};
export const bareStateChanged = {
  sequence: 1n,
  from: State.BUSY,
  to: State.READY,
  event: Event.SDK_CMDREADY,
  time: at(1),
};
export const bareSnapshot = { journalId: uuid(1), state: State.BUSY, stateTime: at(0) };
export const snapshot = {
  journalId: uuid(1),
  sequence: 8n,
  state: State.BUSY,
  stateTime: at(8, 1),
  progress,
  pendingUpdate,
  holds: [hold, { reason: {}, startTime: at(0) }],
};
const decided = {
  consentId: uuid(41),
  manifestDigest: digest(0x0d),
  kind: UpdateKind.PATCH,
  person,
  shownText: 'Install Carto Mapping 8.1.0 now?',
  time: at(9),
};
const bareConsent = { ...decided, decision: { case: 'confirm', value: {} } } as const;
const statement = {
  consent: bareConsent,
  deviceId: 'ws-0001',
  chainId: uuid(42),
  number: 2n,
  previousDigest: digest(0x0e),
  journalId: uuid(1),
  sequence: 6n,
};
// Bytes of the right kind, signed by nobody.
const evidence = {
  statement: new Uint8Array([10, 0]),
  algorithm: SignatureAlgorithm.ECDSA_P256_SHA256,
  signature: new Uint8Array(70).fill(0x30),
  certificates: [new Uint8Array([0x30, 0x82])],
};
export const consent = { ...bareConsent, evidence };
export const logEntry = {
  time: at(10, 999_999_999),
  level: LogLevel.ERROR,
  component: 'carto.mapping',
  message: 'Export failed: disk full\nUngültig: 日本語',
  attributes: { code: 'E42' },
};
export const bareLogEntry = { time: at(10), level: LogLevel.DEBUG, component: 'c', message: 'm' };
export const installed = {
  kind: ProductKind.HOST_APPLICATION,
  product: mapping,
  installTime: at(-86_400),
  earlierVersions: ['7.0.2', '8.0.0'],
};

export const agentCases = [
  cases(
    TransferProgressSchema,
    {
      minimal: {},
      'total-unknown': { receivedBytes: 10n },
      largest: { receivedBytes: 18_446_744_073_709_551_615n, totalBytes: 18_446_744_073_709_551_615n },
      full: progress,
    },
    { 'more-than-total': [{ totalBytes: 61_439n }, ': transfer_progress.within_total'] },
  ),
  cases(
    StateChangedSchema,
    { minimal: bareStateChanged, full: stateChanged },
    {
      'to-same-state': [{ to: State.WAIT_CONFIRM_PATCH }, ': state_changed.moves'],
      'progress-impossible': [
        { progress: { receivedBytes: 2n, totalBytes: 1n } },
        'progress: transfer_progress.within_total',
      ],
    },
  ),
  cases(StateSnapshotSchema, { minimal: bareSnapshot, full: snapshot }),
  cases(PendingUpdateSchema, {
    minimal: { manifestDigest: digest(1), kind: UpdateKind.BASE, name: 'a', version: '1' },
    full: pendingUpdate,
  }),
  cases(BusyReasonSchema, { minimal: {}, full: reason }),
  cases(
    HoldSchema,
    { minimal: { reason: {}, startTime: at(0) }, full: hold },
    {
      'lease-for-ever': [{ expireTime: undefined }, ': hold.lease_expires'],
      'expires-without-lease': [{ leaseId: '' }, ': hold.lease_expires'],
    },
  ),
  cases(PersonSchema, { minimal: { id: '1', name: 'A' }, full: person }),
  cases(ConfirmSchema, { full: {} }),
  cases(PostponeSchema, { full: { until: at(3600) } }),
  cases(DeclineSchema, { minimal: {}, full: { reason: 'Validation is not finished' } }),
  cases(DecisionSchema, {
    minimal: { kind: { case: 'confirm', value: {} } },
    postpone: { kind: { case: 'postpone', value: { until: at(3600) } } },
    full: { kind: { case: 'decline', value: { reason: 'Not today' } } },
  }),
  cases(ConsentSchema, {
    minimal: { ...bareConsent, person: { id: '1', name: 'A' }, shownText: '?' },
    postponed: { ...decided, decision: { case: 'postponedUntil', value: at(3600) } },
    declined: { ...decided, kind: UpdateKind.BASE, decision: { case: 'decline', value: {} } },
    full: consent,
  }),
  cases(
    ConsentStatementSchema,
    { first: { ...statement, number: 1n, previousDigest: new Uint8Array(0) }, full: statement },
    {
      'second-without-link': [{ previousDigest: new Uint8Array(0) }, ': consent_statement.links_back'],
      'first-with-link': [{ number: 1n }, ': consent_statement.links_back'],
      'evidence-within': [{ consent }, ': consent_statement.record_only'],
    },
  ),
  cases(
    ConsentEvidenceSchema,
    {
      'without-certificate': { ...evidence, certificates: [], publicKey: new Uint8Array(91).fill(0x30) },
      full: evidence,
    },
    {
      'nobodys-key': [{ certificates: [] }, ': consent_evidence.one_key'],
      'two-keys': [{ publicKey: new Uint8Array([0x30]) }, ': consent_evidence.one_key'],
    },
  ),
  cases(LogEntrySchema, { minimal: bareLogEntry, full: logEntry }),
  cases(InstalledProductSchema, {
    minimal: { kind: ProductKind.AGENT, product: { product: 'A', version: '1' } },
    full: installed,
  }),
  cases(ErrorInfoSchema, {
    minimal: {},
    full: { reason: ErrorReason.SPOOL_FULL, retryable: true, retryDelay: lasting(1, 500_000_000) },
  }),
  cases(TransitionRefusedSchema, { full: { state: State.APPLYING_BASE, event: Event.SDK_CMDBUSY } }),
  cases(DigestMismatchSchema, {
    full: { pendingManifestDigest: digest(1), givenManifestDigest: digest(2) },
  }),
  cases(LeaseUnknownSchema, { full: { leaseId: uuid(31) } }),
  cases(SequenceUnavailableSchema, {
    minimal: { journalId: uuid(1) },
    full: { journalId: uuid(1), oldestSequence: 100n, newestSequence: 900n },
  }),
  cases(PostponeRefusedSchema, { full: { now: at(0), latestTime: at(7_776_000) } }),
  cases(RequestIdReusedSchema, { full: { requestId: uuid(51), time: at(1) } }),
  cases(SpoolFullSchema, {
    minimal: {},
    full: { spooledBytes: 1_073_741_824n, maxSpooledBytes: 1_073_741_824n },
  }),
];
