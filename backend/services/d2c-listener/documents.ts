/** The documents of single messages. */
import { create, type DescMessage, type JsonObject, type MessageShape, toJson } from '@bufbuild/protobuf';
import { timestampDate, timestampFromDate } from '@bufbuild/protobuf/wkt';
import {
  LogEntrySchema,
  type StateChanged,
  StateChangedSchema,
  StateSnapshotSchema,
} from '@iotdh/proto/agent/v1';
import type { Hello, LogBatch, Telemetry } from '@iotdh/proto/bus/v1';
import { DeviceReportSchema } from '@iotdh/proto/fleet/v1';
import { Long } from 'mongodb';
import type { LogLineDocument, StateDocument, TelemetryDocument } from '../../shared/database/collections.ts';

/** A message in ProtoJSON, which for a message of the contract is always an object. */
export function jsonOf<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): JsonObject {
  return toJson(schema, message) as JsonObject;
}

/** An enum's value as ProtoJSON names it, without its prefix and in lower case. */
function shortName(prefix: string, value: unknown): string {
  return String(value).replace(prefix, '').toLowerCase();
}

/** `_id` of a StateChanged. */
export function stateId(deviceId: string, journalId: string, change: StateChanged): string {
  return `${deviceId}/${journalId}/${change.sequence}`;
}

export function stateDocument(
  deviceId: string,
  journalId: string,
  change: StateChanged,
  receivedTime: Date,
): StateDocument {
  const record = jsonOf(StateChangedSchema, change);
  return {
    _id: stateId(deviceId, journalId, change),
    deviceId,
    journalId,
    sequence: Long.fromBigInt(change.sequence),
    from: shortName('STATE_', record.from),
    to: shortName('STATE_', record.to),
    event: shortName('EVENT_', record.event),
    deviceTime: timestampDate(change.time!),
    receivedTime,
    record,
  };
}

/** The lines of a batch, in its order. */
export function logLineDocuments(
  messageId: string,
  deviceId: string,
  batch: LogBatch,
  receivedTime: Date,
): LogLineDocument[] {
  return batch.entries.map((entry, index) => ({
    _id: `${messageId}/${index}`,
    deviceId,
    collectionId: batch.collectionId,
    time: timestampDate(entry.time!),
    level: entry.level,
    component: entry.component,
    record: jsonOf(LogEntrySchema, entry),
    receivedTime,
  }));
}

export function pointDocuments(
  messageId: string,
  deviceId: string,
  { measurements }: Telemetry,
): TelemetryDocument[] {
  return measurements.map(({ name, time, value, labels }, index) => ({
    _id: `${messageId}/${index}`,
    time: timestampDate(time!),
    source: { deviceId, name, labels },
    value,
  }));
}

/** What a Hello reports, as an iotdh.fleet.v1.DeviceReport. */
export function reportOf(hello: Hello, now: Date): JsonObject {
  const { platform, snapshot } = hello;
  return jsonOf(
    DeviceReportSchema,
    create(DeviceReportSchema, {
      ...(platform && { platform }),
      ...(snapshot && { snapshot }),
      agentVersion: hello.agentVersion,
      inventory: hello.inventory,
      appliedManifestDigest: hello.appliedManifestDigest,
      evidenceKey: hello.evidenceKey,
      time: timestampFromDate(now),
    }),
  );
}

/** The report after a move of the agent. What holds it in BUSY is not in the move; the next Hello says it. */
export function reportAfter(
  report: JsonObject,
  journalId: string,
  change: StateChanged,
  now: Date,
): JsonObject {
  const { sequence, to, time, progress, pendingUpdate } = change;
  const snapshot = create(StateSnapshotSchema, {
    journalId,
    sequence,
    state: to,
    ...(time && { stateTime: time }),
    ...(progress && { progress }),
    ...(pendingUpdate && { pendingUpdate }),
  });
  return { ...report, snapshot: jsonOf(StateSnapshotSchema, snapshot), time: now.toISOString() };
}
