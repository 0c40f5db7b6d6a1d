/** The host application's log on its way to the cloud: bounded, durable, oldest first. */
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { type LogEntry, LogEntrySchema } from '@iotdh/proto/agent/v1';
import { done, type Outcome } from './refusal.ts';
import type { LogStore } from './store/open-log-store.ts';

export type LogSpoolOptions = {
  store: LogStore;
  /** Default 32 MiB. */
  maxBytes?: number;
  /** Takes out whatever could be patient data; the sender has done so before. */
  redact: (entry: LogEntry) => LogEntry;
  /** Called when there are new lines to send. */
  onLines?: () => void;
};

/** Lines that are to be sent next. `id` is the last line's. */
export type LogBatch = { id: number; entries: LogEntry[] };

export type LogSpool = {
  /** Keeps all lines or none; `keep` is called within the transaction. */
  append(entries: readonly LogEntry[], keep?: () => void): Outcome<null>;
  /** The oldest lines that fit both limits, at least one; null when nothing waits. */
  next(maxEntries: number, maxBytes: number): LogBatch | null;
  /** Forgets the lines up to and with this one, after they were sent. False: the disk is full; they come again. */
  sent(id: number): boolean;
};

export function createLogSpool(options: LogSpoolOptions): LogSpool {
  const { store, maxBytes = 32 * 1024 * 1024, redact, onLines } = options;
  return {
    append(entries, keep = () => undefined) {
      const lines = entries.map((entry) => toBinary(LogEntrySchema, redact(entry)));
      const bytes = lines.reduce((sum, line) => sum + line.byteLength, 0);
      const spooledBytes = store.lines.bytes();
      if (spooledBytes + bytes > maxBytes)
        return { kind: 'spool_full', spooledBytes, maxSpooledBytes: maxBytes };
      const recorded = store.write(() => {
        for (const line of lines) store.lines.append(line);
        keep();
      });
      if (!recorded) return { kind: 'unwritable' };
      onLines?.();
      return done(null);
    },
    next(maxEntries, maxBatchBytes) {
      const lines = store.lines.oldest(maxEntries, maxBatchBytes);
      const last = lines.at(-1);
      if (last === undefined) return null;
      return { id: last.id, entries: lines.map(({ entry }) => fromBinary(LogEntrySchema, entry)) };
    },
    sent: (id) => store.write(() => store.lines.removeUpTo(id)),
  };
}
