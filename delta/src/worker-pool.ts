/** Worker threads that answer one request at a time each. They start when they are first needed and do not keep a process alive. */
import { Worker } from 'node:worker_threads';
import type { Reply, Request } from './worker-messages.ts';

/** A request without its number, which the pool gives it. */
export type Task = Request extends infer Each ? (Each extends Request ? Omit<Each, 'id'> : never) : never;

export type PoolWorker = {
  /** Rejects when the worker fails or is stopped, or has been. */
  ask(task: Task): Promise<Reply>;
  stop(): Promise<void>;
};

export function startWorker(): PoolWorker {
  const worker = new Worker(new URL('./worker.ts', import.meta.url));
  worker.unref();
  const waiting = new Map<number, { resolve(reply: Reply): void; reject(error: unknown): void }>();
  let nextId = 0;
  /** Why it has ended: nobody would answer what is asked after that. */
  let ended: { error: unknown } | undefined;
  const failAll = (error: unknown): void => {
    ended ??= { error };
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
    worker.unref();
  };
  worker.on('message', (reply: Reply) => {
    const asked = waiting.get(reply.id);
    waiting.delete(reply.id);
    if (waiting.size === 0) worker.unref();
    if (reply.error === undefined) asked?.resolve(reply);
    else asked?.reject(reply.error);
  });
  worker.on('error', failAll);
  worker.on('exit', (code) => failAll(new Error(`a worker of the producer ended with ${code}`)));
  return {
    ask: (task) =>
      new Promise((resolve, reject) => {
        if (ended !== undefined) return reject(ended.error);
        nextId += 1;
        waiting.set(nextId, { resolve, reject });
        worker.ref();
        worker.postMessage({ ...task, id: nextId });
      }),
    async stop() {
      await worker.terminate();
    },
  };
}
