/** Messages of a device and documents of the database, valid by the contract, for tests. */
import { randomUUID } from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import {
  ConsentSchema,
  type Event,
  LogLevel,
  ProductKind,
  State,
  StateChangedSchema,
} from '@iotdh/proto/agent/v1';
import {
  type DeviceToCloud,
  DeviceToCloudSchema,
  HelloReason,
  HelloSchema,
  LogBatchSchema,
  OfferRequestSchema,
  StepResult,
  TelemetrySchema,
  UpdateOutcome,
  UpdateResultSchema,
  UpdateStep,
} from '@iotdh/proto/bus/v1';
import { Architecture, OperatingSystem, UpdateKind } from '@iotdh/proto/update/v1';
import { Long } from 'mongodb';
import type { AssignmentDocument, DeviceDocument } from '../../../shared/database/collections.ts';

export const time = new Date('2026-11-23T12:00:00.000Z');
const at = timestampFromDate(time);
export const patchDigest = 'aa'.repeat(32);
export const baseDigest = 'bb'.repeat(32);
export const traceParent = `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`;

export function deviceDocument(id: string, changes: Partial<DeviceDocument> = {}): DeviceDocument {
  return {
    _id: id,
    displayName: '',
    site: '',
    labels: {},
    connectivity: 'awaited',
    lastSeenTime: null,
    report: null,
    reportOrder: null,
    commandSequence: Long.ZERO,
    enrolment: null,
    createTime: time,
    retireTime: null,
    retireReason: '',
    revision: Long.ONE,
    ...changes,
  };
}

export function assignmentDocument(
  deviceId: string,
  changes: Partial<AssignmentDocument> = {},
): AssignmentDocument {
  return {
    _id: randomUUID(),
    deviceId,
    packId: randomUUID(),
    fallbackPackId: null,
    manifest: { digest: patchDigest, size: 10, kind: 'patch', name: 'carto', version: '2.0.0' },
    fallback: null,
    title: 'Carto 2',
    transferId: randomUUID(),
    frameSize: 61_440,
    state: 'waiting',
    stateTime: time,
    goesOn: true,
    cancel: null,
    progress: null,
    result: null,
    notBefore: null,
    notAfter: null,
    createTime: time,
    creator: 'operator',
    traceParent: '',
    ...changes,
  };
}

export const withFallback: Pick<AssignmentDocument, 'fallback' | 'fallbackPackId'> = {
  fallbackPackId: randomUUID(),
  fallback: { digest: baseDigest, size: 10, kind: 'base', name: 'carto', version: '2.0.0' },
};

/** Makes the messages of one journal, numbered as they are made. */
export function createJournal(journalId: string = randomUUID()) {
  let sequence = 0n;
  let moves = 0n;
  const product = {
    kind: ProductKind.HOST_APPLICATION,
    product: { product: 'carto', version: '1.0.0' },
  };

  function message(payload: DeviceToCloud['payload'], traceParent = ''): DeviceToCloud {
    sequence += 1n;
    return create(DeviceToCloudSchema, {
      version: 1,
      journalId,
      sequence,
      messageId: randomUUID(),
      time: at,
      traceParent,
      payload,
    });
  }
  const pendingUpdate = (digest: string, kind: UpdateKind) => ({
    manifestDigest: Buffer.from(digest, 'hex'),
    kind,
    name: 'carto',
    version: '2.0.0',
  });

  return {
    journalId,
    message,
    hello: () =>
      message({
        case: 'hello',
        value: create(HelloSchema, {
          reason: HelloReason.STARTED,
          agentVersion: '1.0.0',
          platform: { operatingSystem: OperatingSystem.LINUX, architecture: Architecture.X64 },
          snapshot: { journalId, sequence: moves, state: State.BUSY, stateTime: at },
          inventory: [product],
          maxBusVersion: 1,
        }),
      }),
    move(from: State, to: State, event: Event, digest = '') {
      moves += 1n;
      const kind = digest === baseDigest ? UpdateKind.BASE : UpdateKind.PATCH;
      const payload: DeviceToCloud['payload'] = {
        case: 'stateChanged',
        value: create(StateChangedSchema, {
          sequence: moves,
          from,
          to,
          event,
          time: at,
          ...(digest !== '' && {
            pendingUpdate: pendingUpdate(digest, kind),
            progress: { receivedBytes: 5n, totalBytes: 10n },
          }),
        }),
      };
      return message(payload, traceParent);
    },
    result(assignment: AssignmentDocument, outcome: UpdateOutcome, kind: UpdateKind = UpdateKind.PATCH) {
      const failed = outcome !== UpdateOutcome.APPLIED;
      return message(
        {
          case: 'updateResult',
          value: create(UpdateResultSchema, {
            assignmentId: assignment._id,
            transferId: assignment.transferId,
            manifestDigest: Buffer.from(kind === UpdateKind.BASE ? baseDigest : patchDigest, 'hex'),
            kind,
            outcome,
            steps: [{ step: UpdateStep.CHECK, result: failed ? StepResult.FAILED : StepResult.OK }],
            time: at,
            inventory: [{ ...product, product: { product: 'carto', version: '2.0.0' } }],
          }),
        },
        traceParent,
      );
    },
    consent: () =>
      message({
        case: 'consent',
        value: create(ConsentSchema, {
          consentId: randomUUID(),
          manifestDigest: Buffer.from(patchDigest, 'hex'),
          kind: UpdateKind.PATCH,
          person: { id: 'p1', name: 'A Person' },
          shownText: 'Update?',
          decision: { case: 'confirm', value: {} },
          time: at,
        }),
      }),
    logs: (lines: number, collectionId = '', last = false) =>
      message({
        case: 'logBatch',
        value: create(LogBatchSchema, {
          collectionId,
          last,
          entries: Array.from({ length: lines }, (_, index) => ({
            time: at,
            level: LogLevel.INFO,
            component: 'carto.mapping',
            message: `line ${index}`,
          })),
        }),
      }),
    telemetry: (points: number) =>
      message({
        case: 'telemetry',
        value: create(TelemetrySchema, {
          measurements: Array.from({ length: points }, (_, index) => ({
            name: 'disk.free_bytes',
            time: timestampFromDate(new Date(Date.now() + index)),
            value: index,
          })),
        }),
      }),
    offerRequest: () =>
      message({ case: 'offerRequest', value: create(OfferRequestSchema, { assignmentId: randomUUID() }) }),
  };
}

export type Journal = ReturnType<typeof createJournal>;

export const encode = (message: DeviceToCloud): Buffer => Buffer.from(toBinary(DeviceToCloudSchema, message));
