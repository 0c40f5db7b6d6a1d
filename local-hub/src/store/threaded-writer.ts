/** The writer in a thread of its own, so that waiting for the disk never stops the protocols. */
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Batch, Outcome, Writer } from './batch.ts';

export type WriterSettings = {
  path: string;
  partitionCount: number;
  busyTimeoutMs: number;
  maxFileBytes?: number | undefined;
};
export type WriterReply = { outcome: Outcome };

type Waiting = { resolve(outcome: Outcome): void; reject(error: Error): void };

/** Starts the thread. It keeps the process alive only while something is being written. */
export function createThreadedWriter(settings: WriterSettings): Writer {
  // From source this is writer.ts, in the published package writer.js.
  const worker = new Worker(new URL(`./writer${extname(import.meta.url)}`, import.meta.url), {
    workerData: settings,
  });
  worker.unref();
  const waiting: Waiting[] = [];
  const exited = Promise.withResolvers<void>();
  let failure: Error | undefined;

  worker.on('message', ({ outcome }: WriterReply) => {
    waiting.shift()?.resolve(outcome);
    if (waiting.length === 0) worker.unref();
  });
  worker.on('error', (error) => {
    failure ??= error instanceof Error ? error : new Error(String(error));
  });
  worker.on('exit', () => {
    failure ??= new Error('the writer thread has ended');
    for (const { reject } of waiting.splice(0)) reject(failure);
    exited.resolve();
  });

  return {
    commit(batch: Batch) {
      if (failure !== undefined) return Promise.reject(failure);
      const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
      if (waiting.push({ resolve, reject }) === 1) worker.ref();
      worker.postMessage(batch, [batch.bodies.buffer]);
      return promise;
    },
    close() {
      worker.ref();
      worker.postMessage('close');
      return exited.promise;
    },
  };
}
