/** A device-to-cloud event in the log: what is stored of it, and how it is read back. */
import type { EventRow } from '../store/store.ts';
import type { AuthMethod, DeviceAuth } from './authentication.ts';
import { detached, type HubMessage, type MessageHeader } from './message.ts';

/** What the event is about; value of the `iothub-message-source` annotation. */
export type EventSource =
  | 'Telemetry'
  | 'twinChangeEvents'
  | 'deviceLifecycleEvents'
  | 'deviceConnectionStateEvents';

export type TelemetryEvent = {
  deviceId: string;
  auth: DeviceAuth;
  message: HubMessage;
  /** Default `Telemetry`. */
  source?: EventSource;
};

export type StoredEvent = {
  /** Rises within the partition; a failed write may leave a gap. */
  sequence: number;
  /** Bytes of the log before this event, as decimal text. */
  offset: string;
  enqueuedTimeMs: number;
  deviceId: string;
  generationId: string;
  authMethod: AuthMethod;
  source: EventSource;
  message: HubMessage;
};

type StoredHeader = MessageHeader & { generationId: string; authMethod: AuthMethod; source: EventSource };

/** What a row costs beside its texts and its body, roughly. */
const rowBytes = 32;

/** The room that an event takes in the log. */
export function bytesOf(row: EventRow): number {
  return rowBytes + row.deviceId.length + row.header.length + row.body.length;
}

/** The event in both shapes: as it is stored, and as readers get it. */
export function recordEvent(
  { deviceId, auth, message, source = 'Telemetry' }: TelemetryEvent,
  place: { sequence: number; offset: number; enqueuedMs: number },
): { row: EventRow; event: StoredEvent } {
  const kept = detached(message);
  const { generationId, authMethod } = auth;
  const { system, properties, body } = kept;
  const header: StoredHeader = { generationId, authMethod, source, system, properties };
  const { sequence, offset, enqueuedMs } = place;
  return {
    row: { ...place, deviceId, header: JSON.stringify(header), body },
    event: {
      sequence,
      offset: String(offset),
      enqueuedTimeMs: enqueuedMs,
      deviceId,
      generationId,
      authMethod,
      source,
      message: kept,
    },
  };
}

export function eventOf(row: EventRow): StoredEvent {
  const { generationId, authMethod, source, system, properties } = JSON.parse(row.header) as StoredHeader;
  return {
    sequence: row.sequence,
    offset: String(row.offset),
    enqueuedTimeMs: row.enqueuedMs,
    deviceId: row.deviceId,
    generationId,
    authMethod,
    source,
    message: { body: row.body, system, properties },
  };
}
