/** A worker thread of the producer. It keeps nothing but the job that it was told last. */
import { parentPort } from 'node:worker_threads';
import { buildIndex } from './match/block-index.ts';
import { createWindowTask } from './window-task.ts';
import type { Reply, Request } from './worker-messages.ts';

const port = parentPort;
if (port === null) throw new Error('worker.ts runs in a worker thread');
let task: ReturnType<typeof createWindowTask> | undefined;

function handle(request: Request): Reply {
  const { id } = request;
  switch (request.kind) {
    case 'index':
      buildIndex(request.base, request.table, request.shape);
      return { id };
    case 'job':
      task = createWindowTask(request.job);
      return { id };
    case 'window':
      if (task === undefined) throw new Error('a window came before its job');
      return { id, segments: task(request.output, request.position) };
  }
}

port.on('message', (request: Request) => {
  let reply: Reply;
  try {
    reply = handle(request);
  } catch (error) {
    reply = { id: request.id, error };
  }
  const bodies =
    reply.segments?.flatMap((segment) => (segment.kind === 'copy' ? [] : [segment.stored.buffer])) ?? [];
  port.postMessage(reply, [...new Set(bodies)] as ArrayBuffer[]);
});
