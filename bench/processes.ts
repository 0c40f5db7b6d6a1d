/** The processes of a measurement: each is a file that is told what to do over IPC and answers over IPC. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { basename } from 'node:path';

/** A child that answers each request that it is sent, in whatever order; `onProgress` gets what it reports meanwhile. */
export type Worker = {
  ask<Answer>(request: object): Promise<Answer>;
  onProgress(listener: (count: number) => void): void;
  stop(): Promise<void>;
};

type Reply = { id: number; answer?: unknown; error?: string } | { progress: number };

/** Starts this file with the certificate authority that the SDKs must trust. */
export function startWorker(
  file: string,
  options: { caPath?: string; nodeArguments?: readonly string[] } = {},
): Worker {
  const child: ChildProcess = fork(file, {
    execArgv: [...(options.nodeArguments ?? [])],
    env: { ...process.env, ...(options.caPath === undefined ? {} : { NODE_EXTRA_CA_CERTS: options.caPath }) },
  });
  const exited = once(child, 'exit');
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  let progress: (count: number) => void = () => {};
  let lastId = 0;
  child.on('message', (reply: Reply) => {
    if ('progress' in reply) return progress(reply.progress);
    const asked = waiting.get(reply.id);
    waiting.delete(reply.id);
    if (reply.error === undefined) asked?.resolve(reply.answer);
    else asked?.reject(new Error(`${basename(file)}: ${reply.error}`));
  });
  child.once('exit', (code) => {
    for (const { reject } of waiting.values())
      reject(new Error(`${basename(file)} ended with ${code} before it answered`));
  });
  return {
    ask: <Answer>(request: object) =>
      new Promise<Answer>((resolve, reject) => {
        lastId += 1;
        waiting.set(lastId, { resolve: resolve as (value: unknown) => void, reject });
        child.send({ id: lastId, request });
      }),
    onProgress(listener) {
      progress = listener;
    },
    async stop() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}

/** In the child: answers every request of the parent with what `handler` returns; ends when the parent goes. */
export function answerRequests<Request>(handler: (request: Request) => Promise<unknown>): void {
  process.on('message', ({ id, request }: { id: number; request: Request }) => {
    handler(request).then(
      (answer) => process.send?.({ id, answer: answer ?? null }),
      (error: unknown) =>
        process.send?.({ id, error: error instanceof Error ? error.message : String(error) }),
    );
  });
  process.once('disconnect', () => process.exit(0));
}

/** In the child: tells the parent how far it has come. */
export function reportProgress(count: number): void {
  process.send?.({ progress: count });
}
