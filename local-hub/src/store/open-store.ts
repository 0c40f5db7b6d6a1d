/** Opens the store: one SQLite file that a writer thread commits to and this thread reads from. */
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type Log, silentLog } from '../diagnostics.ts';
import type { Writer } from './batch.ts';
import { createCommitter } from './committer.ts';
import { lockDirectory } from './directory-lock.ts';
import { createReads, type Reads } from './reads.ts';
import { configure, limitSize, maxPartitionCount, prepareSchema } from './schema.ts';
import type { Store } from './store.ts';
import { createThreadedWriter } from './threaded-writer.ts';
import { createWriteQueue, type WriteQueue } from './write-queue.ts';

export type StoreOptions = {
  /** Where `hub.db` lives, made if missing. Undefined keeps everything in memory, for tests: nothing survives `close`. */
  dataDir: string | undefined;
  /** Partitions of a new store, 1 to 32, default 4. An existing store keeps its own number. */
  partitionCount?: number;
  /** The most that the database file may grow to, bytes; writes beyond fail as on a full disk. Default unlimited. */
  maxFileBytes?: number;
  log?: Log;
};

/** How long the two connections wait for each other, as at start-up after a crash. */
const busyTimeoutMs = 10_000;

/** Commits on the calling thread: there is no disk to wait for. */
function createMemoryWriter(database: DatabaseSync, partitionCount: number): Writer {
  const commit = createCommitter(database, partitionCount);
  return { commit: async (batch) => commit(batch), close: async () => undefined };
}

function counter(last: number): () => number {
  let value = last;
  return () => {
    value += 1;
    return value;
  };
}

function assembleStore(reads: Reads, queue: WriteQueue, partitionCount: number, close: () => Promise<void>) {
  const { write } = queue;
  const store: Store = {
    documents: {
      load: reads.documents,
      put: (kind, id, value) => write('putDocument', [kind, id, JSON.stringify(value)]),
      remove: (kind, id) => write('removeDocument', [kind, id]),
    },
    commands: {
      load: reads.commands,
      nextSequence: counter(reads.lastSequence('command')),
      content: reads.content,
      add: (row, { header, body }) =>
        write(
          'addCommand',
          [
            row.sequence,
            row.deviceId,
            row.generationId,
            row.enqueuedMs,
            row.expiresMs,
            row.deliveryCount,
            row.ack,
            row.messageId,
            header,
          ],
          body,
        ),
      remove: (sequence) => write('removeCommand', [sequence]),
      setDeliveryCount: (sequence, count) => write('countCommand', [count, sequence]),
    },
    feeds: {
      load: reads.feed,
      nextSequence: counter(reads.lastSequence('feed_item')),
      body: reads.feedBody,
      add: (row, body) =>
        write(
          'addFeedItem',
          [row.sequence, row.feed, row.enqueuedMs, row.expiresMs, row.deliveryCount],
          body,
        ),
      remove: (sequence) => write('removeFeedItem', [sequence]),
      setDeliveryCount: (sequence, count) => write('countFeedItem', [count, sequence]),
    },
    feedbackRecords: {
      load: reads.feedbackRecords,
      add: (sequence, record) => write('addFeedbackRecord', [sequence, record]),
      removeThrough: (sequence) => write('removeFeedbackRecords', [sequence]),
    },
    events: {
      partitionCount,
      append: (partition, { sequence, offset, enqueuedMs, deviceId, header, body }) =>
        write(`appendEvent:${partition}`, [sequence, offset, enqueuedMs, deviceId, header], body),
      read: reads.events,
      positionFrom: reads.positionFrom,
      lastPosition: reads.lastPosition,
      trimmedThrough: reads.trimmed,
      trim: (partition, { sequence, offset, enqueuedMs }) =>
        queue.atomically(() => {
          void write('markTrimmed', [partition, sequence, offset, enqueuedMs]);
          return write(`trimEvents:${partition}`, [sequence]);
        }),
    },
    atomically: queue.atomically,
    flushed: queue.flushed,
    close,
  };
  return store;
}

/**
 * Opens or makes the store. Throws when another hub has the directory, or when a newer release wrote the database. What
 * was committed when the last process died is there again.
 */
export function openStore(options: StoreOptions): Store {
  const { dataDir, partitionCount: wanted = 4, maxFileBytes, log = silentLog } = options;
  if (!Number.isInteger(wanted) || wanted < 1 || wanted > maxPartitionCount) {
    throw new RangeError(`partitionCount must be 1 to ${maxPartitionCount}, not ${wanted}`);
  }
  let unlock = () => {};
  let path = ':memory:';
  if (dataDir !== undefined) {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    unlock = lockDirectory(dataDir);
    path = join(dataDir, 'hub.db');
    // The database holds device keys. SQLite gives its other files the mode of this one.
    closeSync(openSync(path, 'a', 0o600));
  }
  const database = new DatabaseSync(path, { timeout: busyTimeoutMs });
  try {
    configure(database);
    const partitionCount = prepareSchema(database, wanted);
    let writer: Writer;
    if (dataDir === undefined) {
      if (maxFileBytes !== undefined) limitSize(database, maxFileBytes);
      writer = createMemoryWriter(database, partitionCount);
    } else {
      database.exec('PRAGMA query_only = ON');
      writer = createThreadedWriter({ path, partitionCount, busyTimeoutMs, maxFileBytes });
    }
    const queue = createWriteQueue({
      // The writer closes last, which moves the write-ahead log into the database off this thread.
      writer: {
        commit: writer.commit,
        async close() {
          database.close();
          await writer.close();
          unlock();
        },
      },
      onFailure: (reason) =>
        log.warn({ what: 'Write failed', reason, next: 'Nothing of it was acknowledged; free disk space' }),
    });
    return assembleStore(createReads(database, partitionCount), queue, partitionCount, queue.close);
  } catch (error) {
    database.close();
    unlock();
    throw error;
  }
}
