/**
 * Device-to-cloud events: one persistent log per partition, as the Event Hubs compatible endpoint shows them. A device's
 * events all go to the same partition, in order.
 */
import type { AuthMethod, DeviceAuth } from './authentication.ts';
import type { HubMessage } from './message.ts';

export type TelemetrySettings = {
  /** 1 to 32, fixed when the hub's data is first made. Default 4. */
  partitionCount: number;
  /** How long events are kept, ms: Default 1 d. */
  retentionMs: number;
  /** How much is kept, bytes over all partitions. Default 1 GiB. */
  retentionBytes: number;
  /** The newest events kept in memory for live readers, bytes over all partitions. Default 32 MiB. */
  maxTailBytes: number;
};

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

export type PartitionInfo = {
  beginningSequenceNumber: number;
  /** -1 before the first event. */
  lastSequenceNumber: number;
  /** `-1` before the first event. */
  lastOffset: string;
  /** 0 before the first event. */
  lastEnqueuedTimeMs: number;
  isEmpty: boolean;
};

/** Where a reader begins; `latest` is after the event that is the last now. */
export type StartPosition =
  | 'earliest'
  | 'latest'
  | { sequence: number; inclusive: boolean }
  | { offset: string; inclusive: boolean }
  | { enqueuedTimeMs: number; inclusive: boolean };

/** A reader's place in one partition. Readers are independent; many may read the same events. */
export type Cursor = {
  /** The next durable events, at most `maxCount` and about 1 MiB; empty at the end. */
  read(maxCount: number): StoredEvent[];
  /** Calls back after each append that became durable, until stopped or closed. */
  onAvailable(callback: () => void): () => void;
  close(): void;
};

export type Telemetry = {
  /**
   * Resolves when the event is durable. Throws HubError `MessageTooLarge` (over 256 KiB), `Throttled`, `QuotaExceeded`,
   * `StorageUnavailable`.
   */
  append(event: TelemetryEvent): Promise<void>;
  /** `['0', '1', …]`. */
  readonly partitionIds: readonly string[];
  /** When the hub's data was first made, ms since 1970. */
  readonly createdMs: number;
  partitionOf(deviceId: string): number;
  /** Throws HubError `NotFound` for an unknown partition. */
  info(partition: number): PartitionInfo;
  /** Throws HubError `NotFound`; `ArgumentInvalid` for a position beyond the end, as Event Hubs does. */
  open(partition: number, start: StartPosition): Cursor;
  /** Stops the timers and closes all cursors. */
  stop(): void;
};
