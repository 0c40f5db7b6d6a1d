/** One partition of the telemetry log: where it begins and ends, what is added, read, found and removed. */
import type { Events, LogPosition } from '../store/store.ts';
import { bytesOf, eventOf, recordEvent, type StoredEvent, type TelemetryEvent } from './event-record.ts';
import { createEventTail } from './event-tail.ts';

export type PartitionLogOptions = {
  partition: number;
  events: Events;
  /** For the tail in memory. */
  maxTailBytes: number;
};

export type PartitionLog = ReturnType<typeof openPartitionLog>;

/** About the most that one read returns. */
const maxReadBytes = 1_048_576;
/** How many events are removed in one transaction: few enough not to hold up the appends between. */
const maxTrimCount = 500;

const nothing: LogPosition = { sequence: -1, offset: -1, enqueuedMs: 0 };

/** Opens the log with what the store has of it. */
export function openPartitionLog({ partition, events, maxTailBytes }: PartitionLogOptions) {
  let trimmed = events.trimmedThrough(partition) ?? nothing;
  /** The last durable event. */
  let last = events.lastPosition(partition) ?? trimmed;
  let nextSequence = last.sequence + 1;
  let nextOffset = last.offset + sizeOfLast();
  /** Of the last event that was handed to the store. */
  let lastEnqueuedMs = last.enqueuedMs;
  const tail = createEventTail({ fromSequence: nextSequence, maxBytes: maxTailBytes });
  const listeners = new Set<() => void>();
  let notifying = false;

  function sizeOfLast(): number {
    const [row] = events.read(partition, last.sequence, { maxCount: 1, maxBytes: 1 });
    return row === undefined ? 1 : bytesOf(row);
  }

  function notify(): void {
    notifying = false;
    for (const listener of [...listeners]) listener();
  }

  function becomeDurable(event: StoredEvent, position: LogPosition, bytes: number): void {
    last = position;
    tail.push(event, bytes);
    if (notifying || listeners.size === 0) return;
    notifying = true;
    // After the whole batch of the store has become durable.
    queueMicrotask(notify);
  }

  /** The first sequence at which `reached` holds: it must hold for every later event, too. */
  function find(reached: (position: LogPosition) => boolean): number {
    let low = trimmed.sequence + 1;
    let high = last.sequence + 1;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const position = events.positionFrom(partition, middle);
      if (position === undefined || reached(position)) high = middle;
      else low = position.sequence + 1;
    }
    return low;
  }

  /** What to remember of a log that was trimmed through `sequence`. */
  function positionThrough(sequence: number): LogPosition {
    const kept = sequence < last.sequence && events.positionFrom(partition, sequence + 1);
    return kept ? { sequence, offset: kept.offset - 1, enqueuedMs: kept.enqueuedMs } : last;
  }

  return {
    append(event: TelemetryEvent, nowMs: number): Promise<void> {
      lastEnqueuedMs = Math.max(lastEnqueuedMs, nowMs);
      const position = { sequence: nextSequence, offset: nextOffset, enqueuedMs: lastEnqueuedMs };
      const { row, event: stored } = recordEvent(event, position);
      const bytes = bytesOf(row);
      nextSequence += 1;
      nextOffset += bytes;
      const written = events.append(partition, row);
      written.then(
        () => becomeDurable(stored, position, bytes),
        () => undefined,
      );
      return written;
    },

    get firstSequence(): number {
      return trimmed.sequence + 1;
    },
    get last(): LogPosition {
      return last;
    },

    /** The next events from `sequence` on. */
    read(sequence: number, maxCount: number): StoredEvent[] {
      if (maxCount < 1 || sequence > last.sequence) return [];
      if (sequence >= tail.fromSequence) return tail.read(sequence, maxCount, maxReadBytes);
      return events.read(partition, sequence, { maxCount, maxBytes: maxReadBytes }).map(eventOf);
    },
    find,

    onAppend(listener: () => void): () => void {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },

    /** Removes what is older than `beforeMs`, or beyond the newest `maxBytes`; in steps, each durable by itself. */
    async trim(beforeMs: number, maxBytes: number): Promise<void> {
      const minOffset = nextOffset - maxBytes;
      const target = find(({ enqueuedMs, offset }) => enqueuedMs >= beforeMs && offset >= minOffset) - 1;
      while (trimmed.sequence < target) {
        const position = positionThrough(Math.min(target, trimmed.sequence + maxTrimCount));
        await events.trim(partition, position);
        trimmed = position;
        tail.dropThrough(position.sequence);
      }
    },
  };
}
