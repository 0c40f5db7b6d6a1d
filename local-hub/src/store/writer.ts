/** The writer thread: owns the one connection that writes, and answers each batch when it is on disk. */
import { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import type { Batch } from './batch.ts';
import { createCommitter } from './committer.ts';
import { configure, limitSize } from './schema.ts';
import type { WriterReply, WriterSettings } from './threaded-writer.ts';

const port = parentPort;
if (port === null) throw new Error('writer.ts runs in a worker thread');

const { path, partitionCount, busyTimeoutMs, maxFileBytes } = workerData as WriterSettings;
const database = new DatabaseSync(path, { timeout: busyTimeoutMs });
configure(database);
if (maxFileBytes !== undefined) limitSize(database, maxFileBytes);
const commit = createCommitter(database, partitionCount);

port.on('message', (batch: Batch | 'close') => {
  if (batch === 'close') {
    database.close();
    port.close();
    return;
  }
  port.postMessage({ outcome: commit(batch) } satisfies WriterReply);
});
