/**
 * Stored events as Event Hubs messages: the annotations, with the types, that the built-in endpoint of IoT Hub gives them
 * (devguide "Read device-to-cloud messages from the built-in endpoint").
 */
import type { PartitionInfo, StoredEvent } from '../engine/telemetry.ts';
import { annotationKey } from './hub-message.ts';
import {
  type Entry,
  putApplicationProperties,
  putData,
  putDeliveryAnnotations,
  putMessageAnnotations,
  putProperties,
} from './wire/compose.ts';
import { createWriter, putLong, putString, putTimestamp, written } from './wire/write.ts';

const keys = {
  sequence: annotationKey('x-opt-sequence-number'),
  offset: annotationKey('x-opt-offset'),
  enqueued: annotationKey('x-opt-enqueued-time'),
  deviceId: annotationKey('iothub-connection-device-id'),
  authMethod: annotationKey('iothub-connection-auth-method'),
  generationId: annotationKey('iothub-connection-auth-generation-id'),
  hubEnqueued: annotationKey('iothub-enqueuedtime'),
  source: annotationKey('iothub-message-source'),
  interfaceId: annotationKey('iothub-interface-id'),
  componentName: annotationKey('dt-subject'),
  creationTime: annotationKey('iothub-creation-time-utc'),
  outputName: annotationKey('iothub-connection-output-name'),
};

const runtimeKeys = {
  lastSequence: annotationKey('last_enqueued_sequence_number'),
  lastOffset: annotationKey('last_enqueued_offset'),
  lastTime: annotationKey('last_enqueued_time_utc'),
  retrieved: annotationKey('runtime_info_retrieval_time_utc'),
};

function optional(key: Buffer, value: string | undefined): Entry[] {
  return value === undefined ? [] : [[key, (writer) => putString(writer, value)]];
}

/** Encodes an event; `runtime` adds what `com.microsoft:enable-receiver-runtime-metric` asks for. */
export function writeEvent(event: StoredEvent, runtime?: { info: PartitionInfo; nowMs: number }): Buffer {
  const { system } = event.message;
  const writer = createWriter(event.message.body.length + 768);
  if (runtime) {
    const { info, nowMs } = runtime;
    putDeliveryAnnotations(writer, [
      [runtimeKeys.lastSequence, (w) => putLong(w, info.lastSequenceNumber)],
      [runtimeKeys.lastOffset, (w) => putString(w, info.lastOffset)],
      [runtimeKeys.lastTime, (w) => putTimestamp(w, info.lastEnqueuedTimeMs)],
      [runtimeKeys.retrieved, (w) => putTimestamp(w, nowMs)],
    ]);
  }
  putMessageAnnotations(writer, [
    [keys.sequence, (w) => putLong(w, event.sequence)],
    [keys.offset, (w) => putString(w, event.offset)],
    [keys.enqueued, (w) => putTimestamp(w, event.enqueuedTimeMs)],
    [keys.deviceId, (w) => putString(w, event.deviceId)],
    [keys.authMethod, (w) => putString(w, JSON.stringify(event.authMethod))],
    [keys.generationId, (w) => putString(w, event.generationId)],
    [keys.hubEnqueued, (w) => putTimestamp(w, event.enqueuedTimeMs)],
    [keys.source, (w) => putString(w, event.source)],
    ...optional(keys.interfaceId, system.interfaceId),
    ...optional(keys.componentName, system.componentName),
    ...optional(keys.creationTime, system.creationTimeUtc),
    ...optional(keys.outputName, system.outputName),
  ]);
  putProperties(writer, {
    messageId: system.messageId,
    userId: system.userId,
    to: system.to,
    correlationId: system.correlationId,
    contentType: system.contentType,
    contentEncoding: system.contentEncoding,
    absoluteExpiryTimeMs: system.expiryTimeUtcMs,
    creationTimeMs: system.creationTimeMs,
  });
  putApplicationProperties(writer, event.message.properties);
  putData(writer, event.message.body);
  return written(writer);
}
