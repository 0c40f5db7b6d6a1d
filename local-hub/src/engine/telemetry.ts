/**
 * Device-to-cloud events: one persistent log per partition, as the Event Hubs compatible endpoint shows them. A device's
 * events all go to the same partition, in order.
 */
import type { Store } from '../store/store.ts';
import type { Clock } from './clock.ts';
import { createDeadline } from './deadline.ts';
import { HubError } from './error.ts';
import type { StoredEvent, TelemetryEvent } from './event-record.ts';
import { meteredBytes } from './message.ts';
import { openPartitionLog, type PartitionLog } from './partition-log.ts';
import type { Throttles } from './throttles.ts';

export type TelemetrySettings = {
  /** How long events are kept, ms. Default 1 d. */
  retentionMs: number;
  /** How much is kept, bytes, an equal share for each partition. Default 1 GiB. */
  retentionBytes: number;
  /** The newest events kept in memory for live readers, bytes, an equal share for each partition. Default 32 MiB. */
  maxTailBytes: number;
};

export type { EventSource, StoredEvent, TelemetryEvent } from './event-record.ts';

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
  /**
   * The next durable events, at most `maxCount` and about 1 MiB; empty at the end. Throws HubError `StorageUnavailable`
   * without moving.
   */
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
  /** Stops the timers. */
  stop(): void;
};

export const defaultTelemetrySettings: TelemetrySettings = {
  retentionMs: 86_400_000,
  retentionBytes: 1_073_741_824,
  maxTailBytes: 32 * 1_048_576,
};

export type TelemetryOptions = {
  store: Pick<Store, 'events' | 'documents'>;
  clock: Clock;
  throttles: Pick<Throttles, 'take' | 'meter'>;
  settings?: Partial<TelemetrySettings>;
};

const maxEventBytes = 262_144;
const retentionIntervalMs = 60_000;

/** FNV-1a: stable across versions and machines, because a device must stay in its partition for good. */
function hashOf(deviceId: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < deviceId.length; index += 1) {
    hash = Math.imul(hash ^ deviceId.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}

/** The sequence at which a reader begins. */
function sequenceAt(log: PartitionLog, start: StartPosition): number {
  const { last } = log;
  if (start === 'earliest') return log.firstSequence;
  if (start === 'latest') return last.sequence + 1;
  const { inclusive } = start;
  if ('enqueuedTimeMs' in start) {
    const { enqueuedTimeMs } = start;
    return log.find(({ enqueuedMs }) =>
      inclusive ? enqueuedMs >= enqueuedTimeMs : enqueuedMs > enqueuedTimeMs,
    );
  }
  if ('sequence' in start) {
    const first = start.sequence + (inclusive ? 0 : 1);
    if (Number.isSafeInteger(first) && first <= last.sequence + 1) return first;
    throw new HubError(
      'ArgumentInvalid',
      `The supplied sequence number '${start.sequence}' is invalid. The last sequence number in the system is '${last.sequence}'`,
    );
  }
  const wanted = /^(-1|\d{1,16})$/.test(start.offset) ? Number(start.offset) : Number.NaN;
  if (wanted <= last.offset)
    return log.find(({ offset }) => (inclusive ? offset >= wanted : offset > wanted));
  throw new HubError(
    'ArgumentInvalid',
    `The supplied offset '${start.offset.slice(0, 40)}' is invalid. The last offset in the system is '${last.offset}'`,
  );
}

function openCursor(log: PartitionLog, start: StartPosition): Cursor {
  let sequence = sequenceAt(log, start);
  const stops = new Set<() => void>();
  return {
    read(maxCount) {
      const events = log.read(sequence, maxCount);
      const last = events.at(-1);
      if (last !== undefined) sequence = last.sequence + 1;
      return events;
    },
    onAvailable(callback) {
      const unlisten = log.onAppend(callback);
      stops.add(unlisten);
      return () => {
        stops.delete(unlisten);
        unlisten();
      };
    },
    close() {
      for (const stop of stops) stop();
      stops.clear();
    },
  };
}

function loadCreatedMs(store: TelemetryOptions['store'], nowMs: number): number {
  for (const { id, value } of store.documents.load<number>('setting')) if (id === 'createdMs') return value;
  store.documents.put('setting', 'createdMs', nowMs).catch(() => undefined);
  return nowMs;
}

/** Opens the logs with what the store has of them. */
export function createTelemetry({ store, clock, throttles, settings }: TelemetryOptions): Telemetry {
  const { retentionMs, retentionBytes, maxTailBytes } = { ...defaultTelemetrySettings, ...settings };
  const { partitionCount } = store.events;
  const share = { tailBytes: maxTailBytes / partitionCount, keptBytes: retentionBytes / partitionCount };
  const logs = Array.from({ length: partitionCount }, (_, partition) =>
    openPartitionLog({ partition, events: store.events, maxTailBytes: share.tailBytes }),
  );
  const retention = createDeadline({ clock, minIntervalMs: retentionIntervalMs, run: startTrimming });
  let trimming = false;

  function startTrimming(nowMs: number): number {
    if (!trimming) {
      trimming = true;
      // What the disk refuses now is removed at the next attempt.
      void Promise.allSettled(logs.map((log) => log.trim(nowMs - retentionMs, share.keptBytes))).then(() => {
        trimming = false;
      });
    }
    return nowMs + retentionIntervalMs;
  }

  function logOf(partition: number): PartitionLog {
    const log = logs[partition];
    if (log !== undefined) return log;
    throw new HubError(
      'NotFound',
      `There is no partition ${partition}: the hub has ${partitionCount}, from 0 on`,
    );
  }

  const partitionOf = (deviceId: string) => hashOf(deviceId) % partitionCount;
  retention.by(clock.now());

  return {
    async append(event) {
      const bytes = meteredBytes(event.message);
      if (bytes > maxEventBytes) {
        throw new HubError(
          'MessageTooLarge',
          `The message of device "${event.deviceId}" has ${bytes} bytes with its properties, the maximum is ${maxEventBytes}. Send it in parts, or upload a file`,
        );
      }
      if (event.source === undefined || event.source === 'Telemetry') {
        await throttles.take('d2cSend', 1, event.deviceId);
        throttles.meter(bytes, 'd2c');
      }
      return logOf(partitionOf(event.deviceId)).append(event, clock.now());
    },
    partitionIds: logs.map((_, partition) => String(partition)),
    createdMs: loadCreatedMs(store, clock.now()),
    partitionOf,

    info(partition) {
      const { firstSequence, last } = logOf(partition);
      return {
        beginningSequenceNumber: firstSequence,
        lastSequenceNumber: last.sequence,
        lastOffset: String(last.offset),
        lastEnqueuedTimeMs: last.enqueuedMs,
        isEmpty: firstSequence > last.sequence,
      };
    },
    open: (partition, start) => openCursor(logOf(partition), start),
    stop: retention.stop,
  };
}
