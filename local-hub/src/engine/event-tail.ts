/** The newest events of a partition in memory, so that readers who keep up never touch the disk. */
import type { StoredEvent } from './event-record.ts';

export type EventTail = {
  /** Adds the newest event; the oldest go when `maxBytes` is exceeded. */
  push(event: StoredEvent, bytes: number): void;
  /** Everything from this sequence on is in the tail: at first, what is still to come. */
  readonly fromSequence: number;
  /** Events from `sequence` on, which must not be before `fromSequence`. */
  read(sequence: number, maxCount: number, maxBytes: number): StoredEvent[];
  /** Forgets everything up to and including `sequence`. */
  dropThrough(sequence: number): void;
};

type Kept = { event: StoredEvent; bytes: number };

/** What an event costs in memory beside its stored bytes, roughly. */
const eventOverheadBytes = 500;
/** Gaps at the front of the array are closed when they have grown this large. */
const compactAt = 1_024;

export function createEventTail(options: { fromSequence: number; maxBytes: number }): EventTail {
  const { maxBytes } = options;
  let { fromSequence } = options;
  let kept: Kept[] = [];
  let first = 0;
  let totalBytes = 0;

  function dropFirst(): void {
    const oldest = kept[first]!;
    totalBytes -= oldest.bytes;
    fromSequence = oldest.event.sequence + 1;
    first += 1;
    if (first >= compactAt && first * 2 >= kept.length) {
      kept = kept.slice(first);
      first = 0;
    }
  }

  /** Index of the first event at or after `sequence`. */
  function indexOf(sequence: number): number {
    let low = first;
    let high = kept.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (kept[middle]!.event.sequence < sequence) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  return {
    get fromSequence() {
      return fromSequence;
    },
    push(event, bytes) {
      kept.push({ event, bytes: bytes + eventOverheadBytes });
      totalBytes += bytes + eventOverheadBytes;
      while (totalBytes > maxBytes && first < kept.length) dropFirst();
    },
    read(sequence, maxCount, readBytes) {
      const events: StoredEvent[] = [];
      let bytes = 0;
      for (let index = indexOf(sequence); index < kept.length && events.length < maxCount; index += 1) {
        const entry = kept[index]!;
        bytes += entry.bytes;
        if (bytes > readBytes && events.length > 0) break;
        events.push(entry.event);
      }
      return events;
    },
    dropThrough(sequence) {
      while (first < kept.length && kept[first]!.event.sequence <= sequence) dropFirst();
    },
  };
}
