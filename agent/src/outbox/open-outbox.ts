/** Opens the outbox, or begins one: numbering, the bound on its size, and writes that are shared. */
import { randomUUID } from 'node:crypto';
import { existsSync, renameSync, rmSync } from 'node:fs';
import { create, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { type DeviceToCloud, DeviceToCloudSchema } from '@iotdh/proto/bus/v1';
import { maxDeviceToCloudBytes } from '@iotdh/proto/payload';
import type { Clock } from './clock.ts';
import { lossName, lossOf, withLosses } from './losses.ts';
import { type MessageTable, openMessageTable, type Row } from './message-table.ts';
import type { Losses, Outbox, Outgoing, Payload, PutOutcome } from './outbox.ts';
import { isDamaged, isFull } from './sqlite-errors.ts';

export type OpenOutboxOptions = {
  /** The database; its folder must exist. */
  path: string;
  clock: Clock;
  /** Most bytes of messages that are kept. Default 64 MiB. */
  maxBytes?: number;
  /** How large the database file may grow; beyond it, writes are answered as on a full disk. Default 4 times `maxBytes` and 1 MiB. */
  maxFileBytes?: number;
  /** Names a new journal and each message. Default: a random UUID. */
  newId?: () => string;
};

/** The versions of the envelope that this agent writes. */
const envelopeVersion = 1;
/** The bytes of a varint field, which the count of losses may add to a message. */
const maxCountBytes = 11;
/** So many numbers are set aside with one write: a message that is not kept costs none of its own. */
const reserveAhead = 64;
const removeAfterMs = 250;

type Waiting = {
  payload: Payload;
  traceParent: string;
  /** The most bytes that it can have, once it is numbered and tells of losses. */
  maxBodyBytes: number;
  resolve(outcome: PutOutcome): void;
  reject(error: unknown): void;
};

/**
 * Opens the outbox. A damaged database is set aside beside itself (`….damaged`, replacing an earlier one) and a new one with
 * another journal id takes its place; `damaged` then says so. Throws when a newer release wrote it, when another process has
 * it open, or when the disk does not let us.
 */
export function openOutbox(options: OpenOutboxOptions): { outbox: Outbox; damaged: boolean } {
  const { path, maxBytes = 64 * 1024 * 1024, newId = randomUUID } = options;
  const settings = { path, newId, maxFileBytes: options.maxFileBytes ?? 4 * maxBytes + 1024 * 1024 };
  try {
    return { outbox: outboxOn(openMessageTable(settings), options), damaged: false };
  } catch (error) {
    if (!isDamaged(error)) throw error;
    for (const suffix of ['', '-wal']) {
      rmSync(`${path}.damaged${suffix}`, { force: true });
      if (existsSync(path + suffix)) renameSync(path + suffix, `${path}.damaged${suffix}`);
    }
    return { outbox: outboxOn(openMessageTable(settings), options), damaged: true };
  }
}

function outboxOn(table: MessageTable, options: OpenOutboxOptions): Outbox {
  const { clock, maxBytes = 64 * 1024 * 1024, newId = randomUUID } = options;
  /** After a crash what was reserved may have been used, so it is passed over. */
  let nextSequence = table.reserved + 1;
  let { reserved, losses } = table;
  let { count, bytes } = table.initial;
  const inFlight = new Set<number>();
  const acknowledged = new Set<number>();
  const listeners = new Set<() => void>();
  let waiting: Waiting[] = [];
  let flushing = false;
  let cancelRemoval: (() => void) | undefined;
  let closed = false;

  function envelope(payload: Payload, traceParent: string, sequence: number, loss = 0): Row {
    const messageId = newId();
    const message: DeviceToCloud = create(DeviceToCloudSchema, {
      version: envelopeVersion,
      journalId: table.journalId,
      sequence: BigInt(sequence),
      messageId,
      time: timestampFromMs(clock.now()),
      traceParent,
      payload,
    });
    return { sequence, messageId, kind: payload.case, loss, body: toBinary(DeviceToCloudSchema, message) };
  }

  /** Changes in memory what a transaction changes on disk, and puts it back if that fails. */
  function write<T>(changes: () => T): T {
    const before = { nextSequence, reserved, losses, count, bytes };
    try {
      return table.transaction(changes);
    } catch (error) {
      ({ nextSequence, reserved, losses, count, bytes } = before);
      throw error;
    }
  }

  function takeNumber(): number {
    if (nextSequence > reserved) {
      reserved = nextSequence + reserveAhead - 1;
      table.reserve(reserved);
    }
    nextSequence += 1;
    return nextSequence - 1;
  }

  function setLosses(changed: Losses): void {
    losses = changed;
    table.setLosses(changed);
  }

  function lose(kind: string, loss: number): void {
    const name = lossName(kind);
    if (name !== undefined) setLosses({ ...losses, [name]: losses[name] + loss });
  }

  function remove(sequence: number): void {
    const removed = table.remove(sequence);
    if (removed === 0) return;
    count -= 1;
    bytes -= removed;
  }

  /** Drops the oldest of what may be dropped until `wanted` bytes fit. What is on its way may have arrived, so it stays. */
  function makeRoom(wanted: number): boolean {
    if (wanted > maxBytes) return false;
    while (bytes + wanted > maxBytes) {
      const victims = table.droppable(inFlight.size + 16).filter(({ sequence }) => !inFlight.has(sequence));
      if (victims.length === 0) return false;
      for (const { sequence, kind, loss } of victims) {
        if (bytes + wanted <= maxBytes) break;
        remove(sequence);
        lose(kind, loss);
      }
    }
    return true;
  }

  function keep({ payload, traceParent, maxBodyBytes }: Waiting): PutOutcome {
    if (!makeRoom(maxBodyBytes)) {
      const loss = lossOf(payload);
      if (loss === 0) return { kind: 'full' };
      lose(payload.case, loss);
      return { kind: 'dropped' };
    }
    const told = withLosses(payload, losses);
    const name = lossName(payload.case);
    if (name !== undefined && losses[name] > 0) setLosses({ ...losses, [name]: 0 });
    const row = envelope(told, traceParent, takeNumber(), lossOf(told));
    table.insert(row);
    count += 1;
    bytes += row.body.length;
    return { kind: 'kept', sequence: row.sequence, messageId: row.messageId };
  }

  /** One transaction for all that came in this turn, and for what the hub has acknowledged meanwhile. */
  function flush(): void {
    flushing = false;
    if (closed) return;
    cancelRemoval?.();
    cancelRemoval = undefined;
    const batch = waiting;
    waiting = [];
    const removals = [...acknowledged];
    try {
      const outcomes = write(() => {
        for (const sequence of removals) remove(sequence);
        return batch.map(keep);
      });
      for (const sequence of removals) {
        acknowledged.delete(sequence);
        inFlight.delete(sequence);
      }
      for (const [index, { resolve }] of batch.entries()) resolve(outcomes[index]!);
      if (outcomes.some(({ kind }) => kind === 'kept')) for (const listener of listeners) listener();
    } catch (error) {
      for (const { resolve, reject } of batch) {
        if (isFull(error)) resolve({ kind: 'disk_full' });
        else reject(error);
      }
    }
  }

  function flushSoon(): void {
    if (flushing) return;
    flushing = true;
    setImmediate(flush);
  }

  return {
    journalId: table.journalId,
    get count() {
      return count - acknowledged.size;
    },
    get bytes() {
      return bytes;
    },
    get losses() {
      return losses;
    },

    async put(payload, { traceParent = '' } = {}) {
      if (closed) throw new Error('the outbox is closed');
      // Measured before it joins the others, so that a message that cannot be encoded fails alone.
      const { length } = envelope(payload, traceParent, Number.MAX_SAFE_INTEGER).body;
      const maxBodyBytes = length + maxCountBytes;
      if (maxBodyBytes > maxDeviceToCloudBytes) return { kind: 'too_large', bytes: length };
      const { promise, resolve, reject } = Promise.withResolvers<PutOutcome>();
      waiting.push({ payload, traceParent, maxBodyBytes, resolve, reject });
      flushSoon();
      return promise;
    },

    stamp(payload, { traceParent = '' } = {}) {
      if (closed) throw new Error('the outbox is closed');
      try {
        const sequence = nextSequence > reserved ? write(takeNumber) : takeNumber();
        const { loss: _, ...message } = envelope(payload, traceParent, sequence);
        const { length } = message.body;
        return length > maxDeviceToCloudBytes
          ? { kind: 'too_large', bytes: length }
          : { kind: 'stamped', message };
      } catch (error) {
        if (isFull(error)) return { kind: 'disk_full' };
        throw error;
      }
    },

    take(maxCount) {
      if (closed) return [];
      const taken: Outgoing[] = [];
      for (const droppable of [false, true]) {
        if (taken.length === maxCount) break;
        // What is on its way is among the oldest, so that many more rows suffice.
        for (const message of table.oldest(droppable, maxCount - taken.length + inFlight.size)) {
          if (taken.length === maxCount) break;
          if (!inFlight.has(message.sequence)) taken.push(message);
        }
      }
      for (const { sequence } of taken) inFlight.add(sequence);
      return taken;
    },

    sent(sequence) {
      if (closed || !inFlight.has(sequence)) return;
      acknowledged.add(sequence);
      cancelRemoval ??= clock.after(removeAfterMs, flush);
    },

    unsent(sequence) {
      const returned = sequence === undefined ? [...inFlight] : [sequence];
      for (const each of returned) if (!acknowledged.has(each)) inFlight.delete(each);
    },

    onKept(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },

    async close() {
      if (closed) return;
      flush();
      closed = true;
      cancelRemoval?.();
      try {
        // Numbers that were set aside and not used need not be passed over next time.
        table.transaction(() => table.reserve(nextSequence - 1));
      } catch (error) {
        if (!isFull(error)) throw error;
      } finally {
        table.close();
      }
    },
  };
}
