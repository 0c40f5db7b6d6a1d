/** Golden cases of iotdh.bus.v1. */
import { LogLevel } from '@iotdh/proto/agent/v1';
import {
  AssignmentPointerSchema,
  CancelSchema,
  Carrier,
  CarrierTallySchema,
  CloudToDeviceSchema,
  CollectLogsSchema,
  ConfigurationSchema,
  ContentOrigin,
  DeviceToCloudSchema,
  DicomStatusSchema,
  FrameBitmapSchema,
  FrameRangeSchema,
  FrameRangesSchema,
  FrameRequestSchema,
  FrameSchema,
  HelloReason,
  HelloSchema,
  LogBatchSchema,
  LogRoute,
  MeasurementSchema,
  OfferRequestSchema,
  OriginTallySchema,
  StepOutcomeSchema,
  StepResult,
  TelemetrySchema,
  TransferRefusal,
  TransferRefusedSchema,
  UpdateOutcome,
  UpdateResultSchema,
  UpdateStep,
  UpgradeOfferSchema,
} from '@iotdh/proto/bus/v1';
import { MetadataRole, UpdateKind } from '@iotdh/proto/update/v1';
import {
  bareLogEntry,
  bareSnapshot,
  bareStateChanged,
  consent,
  installed,
  logEntry,
  snapshot,
} from './agent.ts';
import { cases } from './cases.ts';
import { objectStatus } from './dicom.ts';
import { at, digest, lasting, traceParent, uuid } from './examples.ts';
import { baseRef, manifestRef } from './manifest.ts';
import { platform } from './update.ts';

const bareHello = {
  reason: HelloReason.STARTED,
  agentVersion: '1.0.0',
  platform: {},
  snapshot: bareSnapshot,
  inventory: [installed],
  maxBusVersion: 1,
};
const hello = {
  ...bareHello,
  reason: HelloReason.INVENTORY_CHANGED,
  platform,
  snapshot,
  appliedManifestDigest: digest(0x0c),
  evidenceKey: new Uint8Array(91).fill(0x30),
};
const originTally = {
  origin: ContentOrigin.DELTA,
  contents: 212,
  contentBytes: 251_000_000n,
  carriedBytes: 2_670_000n,
};
const carrierTally = { carrier: Carrier.HTTPS, bytes: 2_670_000n };
const offer = {
  assignmentId: uuid(61),
  transferId: uuid(62),
  manifest: manifestRef,
  title: 'Carto Mapping 8.1.0',
  frameSize: 61_440,
  carriers: [Carrier.BUS],
};
export const frame = {
  transferId: uuid(62),
  objectDigest: digest(0xb1),
  offset: 61_440n,
  data: new Uint8Array([0, 255, 10]),
};
const frameRequest = {
  transferId: uuid(62),
  objectDigest: digest(0xb1),
  frameSize: 61_440,
  missing: { case: 'ranges' as const, value: { ranges: [{ first: 0n, count: 32 }] } },
  window: 32,
};
const refused = { transferId: uuid(62), objectDigest: digest(0xb1), refusal: TransferRefusal.QUOTA_USED };
export const collectLogs = {
  collectionId: uuid(63),
  fromTime: at(0),
  toTime: at(60),
  minLevel: LogLevel.WARN,
  components: ['carto', 'agent.transfer'],
  route: LogRoute.FILE_UPLOAD,
  maxBytes: 1_073_741_824n,
};
const appliedStep = { step: UpdateStep.APPLY, subject: 'mapping', result: StepResult.OK };
const failedStep = {
  step: UpdateStep.CHECK,
  subject: 'mapping',
  result: StepResult.FAILED,
  startTime: at(20),
  duration: lasting(30, 1_000_000),
  exitCode: -1,
  detail: 'Check "Mapping answers" failed on port 8443: nothing listens. The update is taken back.',
  outputTail: 'connect ECONNREFUSED 127.0.0.1:8443\n',
};
export const updateResult = {
  assignmentId: uuid(61),
  transferId: uuid(62),
  manifestDigest: digest(0x0d),
  kind: UpdateKind.PATCH,
  outcome: UpdateOutcome.APPLIED,
  steps: [appliedStep],
  time: at(30),
  inventory: [installed],
};
const measurement = { name: 'disk.free_bytes', time: at(0), value: 1.5e9, labels: { disk: 'C:' } };
const fromDevice = { version: 1, journalId: uuid(1), sequence: 1n, messageId: uuid(2), time: at(0) };
const fromCloud = { version: 1, messageId: uuid(3), time: at(0) };
const command = { ...fromCloud, sequence: 4n };
const cancel = { assignmentId: uuid(61), reason: 'Superseded by 8.1.1' };

const transferCases = [
  cases(
    AssignmentPointerSchema,
    {
      minimal: { assignmentId: uuid(61), manifest: manifestRef },
      full: { assignmentId: uuid(61), manifest: manifestRef, fallback: baseRef },
    },
    { 'fallback-no-base': [{ fallback: manifestRef }, ': assignment_pointer.fallback_is_base'] },
  ),
  cases(OfferRequestSchema, { full: { assignmentId: uuid(61) } }),
  cases(
    UpgradeOfferSchema,
    {
      minimal: offer,
      full: {
        ...offer,
        carriers: [Carrier.HTTPS, Carrier.BUS, Carrier.OFFLINE],
        notBefore: at(3600),
        notAfter: at(86_400),
        fallback: baseRef,
        metadata: [
          { role: MetadataRole.ROOT, version: 2n, digest: digest(0xd2), size: 2_000 },
          { role: MetadataRole.TIMESTAMP, version: 400n, digest: digest(0xd3), size: 500 },
        ],
      },
    },
    {
      'fallback-no-base': [{ fallback: manifestRef }, ': upgrade_offer.fallback_is_base'],
      'fallback-of-base': [{ manifest: baseRef }, ': upgrade_offer.fallback_is_base'],
    },
  ),
  cases(FrameRangeSchema, { minimal: { count: 1 }, full: { first: 1_073_741_824n, count: 1_048_576 } }),
  cases(FrameRangesSchema, { full: { ranges: [{ first: 5n, count: 3 }, { count: 1 }] } }),
  cases(FrameBitmapSchema, {
    minimal: { bits: new Uint8Array([1]) },
    full: { first: 8n, bits: new Uint8Array([0b1010_0001, 0]) },
  }),
  cases(
    FrameRequestSchema,
    {
      minimal: frameRequest,
      full: {
        ...frameRequest,
        missing: { case: 'bitmap', value: { first: 64n, bits: new Uint8Array([255, 1]) } },
        receivedBytes: 3_932_160n,
      },
    },
    { 'no-ranges': [{ missing: { case: 'ranges', value: {} } }, 'ranges.ranges: repeated.min_items'] },
  ),
  cases(FrameSchema, { minimal: { ...frame, offset: 0n }, full: frame }),
  cases(TransferRefusedSchema, {
    minimal: { ...refused, refusal: TransferRefusal.UNKNOWN_TRANSFER },
    full: { ...refused, retryTime: at(600) },
  }),
];

const envelopeCases = [
  cases(DeviceToCloudSchema, {
    minimal: { ...fromDevice, payload: { case: 'offerRequest', value: { assignmentId: uuid(61) } } },
    hello: { ...fromDevice, payload: { case: 'hello', value: hello } },
    consent: { ...fromDevice, payload: { case: 'consent', value: consent } },
    'frame-request': { ...fromDevice, payload: { case: 'frameRequest', value: frameRequest } },
    'update-result': { ...fromDevice, payload: { case: 'updateResult', value: updateResult } },
    'log-batch': { ...fromDevice, payload: { case: 'logBatch', value: { entries: [logEntry] } } },
    telemetry: { ...fromDevice, payload: { case: 'telemetry', value: { measurements: [measurement] } } },
    'dicom-status': { ...fromDevice, payload: { case: 'dicomStatus', value: { objects: [objectStatus] } } },
    full: {
      ...fromDevice,
      sequence: 18_446_744_073_709_551_615n,
      traceParent,
      payload: { case: 'stateChanged', value: bareStateChanged },
    },
  }),
  cases(
    CloudToDeviceSchema,
    {
      minimal: { ...fromCloud, payload: { case: 'frame', value: frame } },
      'transfer-refused': { ...fromCloud, payload: { case: 'transferRefused', value: refused } },
      cancel: { ...command, payload: { case: 'cancel', value: cancel } },
      'collect-logs': { ...command, payload: { case: 'collectLogs', value: collectLogs } },
      configuration: { ...command, payload: { case: 'configuration', value: { frameWindow: 8 } } },
      full: { ...command, traceParent, payload: { case: 'upgradeOffer', value: offer } },
    },
    {
      'command-without-sequence': [{ sequence: 0n }, ': cloud_to_device.commands_are_numbered'],
      'frame-with-sequence': [
        { payload: { case: 'frame', value: frame } },
        ': cloud_to_device.commands_are_numbered',
      ],
    },
  ),
];

export const busCases = [
  ...envelopeCases,
  ...transferCases,
  cases(DicomStatusSchema, {
    minimal: { objects: [objectStatus] },
    full: { objects: [objectStatus], waitingObjects: 12n, waitingBytes: 6_312_000n },
  }),
  cases(HelloSchema, { minimal: bareHello, full: hello }),
  cases(CancelSchema, { minimal: { assignmentId: uuid(61) }, full: cancel }),
  cases(
    CollectLogsSchema,
    { minimal: { collectionId: uuid(63), route: LogRoute.BUS }, full: collectLogs },
    { 'ends-before-it-begins': [{ toTime: at(-1) }, ': collect_logs.period'] },
  ),
  cases(ConfigurationSchema, {
    minimal: {},
    full: {
      telemetryInterval: lasting(86_400),
      minLogLevel: LogLevel.INFO,
      frameWindow: 32,
      maxPostponement: lasting(7_776_000),
    },
  }),
  cases(StepOutcomeSchema, {
    minimal: { step: UpdateStep.PREFLIGHT, result: StepResult.SKIPPED },
    'exit-zero': { ...appliedStep, exitCode: 0 },
    full: failedStep,
  }),
  cases(OriginTallySchema, { minimal: { origin: ContentOrigin.LOCAL }, full: originTally }),
  cases(CarrierTallySchema, { minimal: { carrier: Carrier.BUS }, full: carrierTally }),
  cases(
    UpdateResultSchema,
    {
      minimal: updateResult,
      failed: { ...updateResult, outcome: UpdateOutcome.TAKEN_BACK, steps: [appliedStep, failedStep] },
      full: {
        ...updateResult,
        kind: UpdateKind.BASE,
        carriedBytes: 2_670_000n,
        savedBytes: 248_330_000n,
        origins: [originTally],
        carriers: [carrierTally],
      },
    },
    {
      'applied-with-failure': [
        { steps: [appliedStep, failedStep] },
        ': update_result.applied_without_failure',
      ],
    },
  ),
  cases(LogBatchSchema, {
    minimal: {},
    full: { entries: [logEntry, bareLogEntry], collectionId: uuid(63), last: true, dropped: 3n },
  }),
  cases(
    MeasurementSchema,
    {
      minimal: { name: 'a', time: at(0) },
      negative: { name: 'cpu.celsius', time: at(0), value: -40.25 },
      full: measurement,
    },
    {
      'name-with-capital': [{ name: 'Disk' }, 'name: string.pattern'],
      infinite: [{ value: Number.POSITIVE_INFINITY }, 'value: double.finite'],
    },
  ),
  cases(TelemetrySchema, {
    minimal: { measurements: [measurement] },
    full: { measurements: [measurement], dropped: 99n },
  }),
];
