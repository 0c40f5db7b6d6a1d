/**
 * Group commit: operations queue in call order; whatever has gathered while the writer was busy goes to it as one batch.
 * The more there is to do, the fewer times the disk is waited for.
 */
import { HubError } from '../engine/error.ts';
import { type Operation, type Outcome, type Parameter, packBatch, type Writer } from './batch.ts';
import type { StatementName } from './statements.ts';

type PendingUnit = {
  operations: Operation[];
  bytes: number;
  promise: Promise<void>;
  resolve(): void;
  reject(error: Error): void;
};

export type WriteQueueOptions = {
  writer: Writer;
  /** Told why a write failed, once per batch. */
  onFailure(reason: string): void;
  /** Most bytes that may wait for the disk before further writes are refused. Default 256 MiB. */
  maxQueuedBytes?: number;
};

export type WriteQueue = {
  write(statement: StatementName, parameters: Parameter[], body?: Buffer): Promise<void>;
  atomically<T>(fn: () => T): T;
  flushed(): Promise<void>;
  close(): Promise<void>;
};

// Two batches under way: the writer has the next one at hand the moment it has committed the last.
const maxBatchesUnderWay = 2;
const maxBatchBytes = 8 * 1_048_576;
const maxBatchOperations = 4_096;
/** What an operation costs in memory beside its strings and its body, roughly. */
const operationBytes = 200;

export function createWriteQueue(options: WriteQueueOptions): WriteQueue {
  const { writer, onFailure, maxQueuedBytes = 256 * 1_048_576 } = options;
  let queued: PendingUnit[] = [];
  let queuedBytes = 0;
  let batchesUnderWay = 0;
  let scheduled = false;
  let open: PendingUnit | undefined;
  let last: Promise<void> = Promise.resolve();
  let closing: Promise<void> | undefined;

  function newUnit(): PendingUnit {
    return { operations: [], bytes: 0, ...Promise.withResolvers<void>() };
  }

  function unavailable(reason: string): HubError {
    return new HubError(
      'StorageUnavailable',
      `The hub could not store this: ${reason}. Nothing of it was kept; try again later`,
    );
  }

  function enqueue(unit: PendingUnit): Promise<void> {
    if (closing !== undefined) unit.reject(unavailable('it is shutting down'));
    else if (queuedBytes + unit.bytes > maxQueuedBytes)
      unit.reject(unavailable('its disk is slower than its clients'));
    else {
      queued.push(unit);
      queuedBytes += unit.bytes;
      last = unit.promise;
      if (!scheduled && batchesUnderWay < maxBatchesUnderWay) {
        scheduled = true;
        // After the current callbacks, so that what they write together is committed together.
        setImmediate(sendBatches);
      }
    }
    return unit.promise;
  }

  function takeBatch(): PendingUnit[] {
    let count = 0;
    let bytes = 0;
    let operations = 0;
    while (count < queued.length && bytes < maxBatchBytes && operations < maxBatchOperations) {
      const unit = queued[count]!;
      bytes += unit.bytes;
      operations += unit.operations.length;
      count += 1;
    }
    const batch = queued.slice(0, count);
    queued = queued.slice(count);
    return batch;
  }

  function settle(units: readonly PendingUnit[], outcome: Outcome): void {
    let failure: string | undefined;
    units.forEach((unit, index) => {
      const reason = outcome?.[index];
      queuedBytes -= unit.bytes;
      if (reason === undefined) unit.resolve();
      else unit.reject(unavailable(reason));
      failure ??= reason;
    });
    batchesUnderWay -= 1;
    if (failure !== undefined) onFailure(failure);
    sendBatches();
  }

  function sendBatches(): void {
    scheduled = false;
    while (queued.length > 0 && batchesUnderWay < maxBatchesUnderWay) {
      const units = takeBatch();
      batchesUnderWay += 1;
      writer.commit(packBatch(units.map((unit) => unit.operations))).then(
        (outcome) => settle(units, outcome),
        (error: Error) =>
          settle(
            units,
            Array.from(units, () => error.message),
          ),
      );
    }
  }

  async function flushed(): Promise<void> {
    await last.catch(() => undefined);
  }

  return {
    write(statement, parameters, body) {
      const unit = open ?? newUnit();
      unit.operations.push(body === undefined ? { statement, parameters } : { statement, parameters, body });
      unit.bytes += operationBytes + (body?.length ?? 0);
      for (const parameter of parameters) if (typeof parameter === 'string') unit.bytes += parameter.length;
      return open === undefined ? enqueue(unit) : unit.promise;
    },

    atomically(fn) {
      if (open !== undefined) return fn();
      const unit = newUnit();
      // Whoever did not keep a promise of this unit does not want to know.
      unit.promise.catch(() => undefined);
      open = unit;
      try {
        const result = fn();
        open = undefined;
        if (unit.operations.length > 0) void enqueue(unit);
        return result;
      } catch (error) {
        open = undefined;
        unit.reject(error instanceof Error ? error : new Error(String(error)));
        throw error;
      }
    },

    flushed,

    close() {
      closing ??= flushed().then(() => writer.close());
      return closing;
    },
  };
}
