/** The processes of a measurement: each is a file of this folder that is told what to do over IPC and answers over IPC. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** A child that answers one message for each that it is sent, in order; `onProgress` gets the ones marked as progress. */
export type Worker = {
  ask<Answer>(request: object): Promise<Answer>;
  onProgress(listener: (count: number) => void): void;
  stop(): Promise<void>;
};

type Reply = { answer?: unknown; progress?: number; error?: string };

/** Starts `file` of this folder with the certificate authority that the SDKs must trust. */
export function startWorker(
  file: string,
  options: { caPath?: string; nodeArguments?: string[] } = {},
): Worker {
  const child: ChildProcess = fork(join(import.meta.dirname, file), {
    execArgv: options.nodeArguments ?? [],
    env: { ...process.env, ...(options.caPath === undefined ? {} : { NODE_EXTRA_CA_CERTS: options.caPath }) },
  });
  const exited = once(child, 'exit');
  const waiting: { resolve(value: unknown): void; reject(error: Error): void }[] = [];
  let progress: (count: number) => void = () => {};
  child.on('message', (reply: Reply) => {
    if (reply.progress !== undefined) progress(reply.progress);
    else if (reply.error !== undefined) waiting.shift()?.reject(new Error(`${file}: ${reply.error}`));
    else waiting.shift()?.resolve(reply.answer);
  });
  child.once('exit', (code) => {
    for (const { reject } of waiting) reject(new Error(`${file} ended with ${code} before it answered`));
  });
  return {
    ask: <Answer>(request: object) =>
      new Promise<Answer>((resolve, reject) => {
        waiting.push({ resolve: resolve as (value: unknown) => void, reject });
        child.send(request);
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
  process.on('message', (request: Request) => {
    handler(request).then(
      (answer) => process.send?.({ answer: answer ?? null }),
      (error: unknown) => process.send?.({ error: error instanceof Error ? error.message : String(error) }),
    );
  });
  process.once('disconnect', () => process.exit(0));
}

/** In the child: tells the parent how far it has come. */
export function reportProgress(count: number): void {
  process.send?.({ progress: count });
}
