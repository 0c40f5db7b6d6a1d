/** Empties the spool of log lines: every line is kept for a collection, and those that are serious enough are sent. */
import { create } from '@bufbuild/protobuf';
import type { LogEntry } from '@iotdh/proto/agent/v1';
import { type LogBatch as LogBatchMessage, LogBatchSchema } from '@iotdh/proto/bus/v1';
import { isFull } from '../durable/document.ts';
import type { KeptLines } from '../log/kept-lines.ts';
import { isAtLeast, type Level } from '../log/log.ts';
import type { Tell } from './tell.ts';

export type LogShippingOptions = {
  spool: {
    next(maxEntries: number, maxBytes: number): { id: number; entries: LogEntry[] } | null;
    sent(id: number): boolean;
  };
  kept: KeptLines;
  least: () => Level;
  tell: Tell;
  after: (ms: number, callback: () => void) => () => void;
  /** Nothing can be written; for the process's output, since this log is what fails. */
  onFailure: (error: unknown) => void;
};

export type LogShipping = { onLines(): void; stop(): Promise<void> };

/** A batch fits one message with its envelope. */
export const maxEntries = 500;
export const maxBatchBytes = 200 * 1024;
/** Lines that come together travel together: the hub meters by the message. */
const gatherMs = 2000;
const retryMs = 30_000;

export function createLogShipping(options: LogShippingOptions): LogShipping {
  const { spool, kept, least, tell, after, onFailure } = options;
  let cancel: (() => void) | null = null;
  let running: Promise<void> = Promise.resolve();
  let stopped = false;
  /** Kept and not yet told: what there was no room for in the outbox is not kept twice. */
  let held: ReturnType<typeof spool.next> = null;

  function later(ms: number): void {
    if (stopped) return;
    cancel ??= after(ms, () => {
      cancel = null;
      running = running.then(empty).catch((error: unknown) => {
        onFailure(error);
        later(retryMs);
      });
    });
  }

  /** False: the disk is full; the lines stay in the spool. */
  function isKept(entries: readonly LogEntry[]): boolean {
    try {
      kept.append(entries);
      return true;
    } catch (error) {
      if (isFull(error)) return false;
      throw error;
    }
  }

  async function empty(): Promise<void> {
    for (;;) {
      const batch = held ?? spool.next(maxEntries, maxBatchBytes);
      if (batch === null) return;
      if (held === null && !isKept(batch.entries)) return later(retryMs);
      held = batch;
      const entries = batch.entries.filter(({ level }) => isAtLeast(level, least()));
      if (entries.length > 0) {
        const told = await tell({ case: 'logBatch', value: batchOf(entries) });
        if (told.kind === 'again') return later(retryMs);
      }
      if (!spool.sent(batch.id)) return later(retryMs);
      held = null;
    }
  }

  return {
    onLines: () => later(gatherMs),
    async stop() {
      stopped = true;
      cancel?.();
      await running;
    },
  };
}

export function batchOf(entries: LogEntry[], collection?: { id: string; last: boolean }): LogBatchMessage {
  return create(LogBatchSchema, {
    entries,
    collectionId: collection?.id ?? '',
    last: collection?.last ?? false,
  });
}
