/**
 * Sends commands to devices over the hub's AMQP endpoint, through one connection in a thread of its own. A connection that
 * breaks, hangs or takes its thread down is replaced by a new one after a while; what was on its way counts as `unreachable`.
 */
import { Worker } from 'node:worker_threads';
import type { Clock } from '../../../shared/clock.ts';
import type { C2dMessage, SendOutcome } from './c2d-message.ts';
import type { FromThread, ThreadData, ToThread } from './thread-protocol.ts';

export type SenderOptions = {
  /** Of the hub, with a policy that has ServiceConnect. */
  connectionString: string;
  /** An authority beside the system's. */
  caPem?: string | undefined;
  clock: Clock;
  random: () => number;
  /** Says what happened to the connection, once each time. */
  onConnection?(state: SenderState): void;
  /** How long the hub may take for one message, in ms. It delays what is too fast by some seconds. Default 60 s. */
  timeoutMs?: number;
  /** The wait before the next connection: from `baseMs`, doubled each time, up to `maxMs`. Default 200 ms and 30 s. */
  backoff?: { baseMs: number; maxMs: number };
};

export type SenderState =
  | { kind: 'closed' }
  | { kind: 'opening' }
  | { kind: 'open' }
  /** Until then nothing is tried. */
  | { kind: 'waiting'; untilMs: number; reason: string };

export type Sender = {
  readonly state: SenderState;
  /** Never rejects. While it waits for the next connection, the answer is `unreachable` at once. */
  send(message: C2dMessage): Promise<SendOutcome>;
  /** Says goodbye to the hub, and resolves when the thread is gone, within 2 s. Idempotent. */
  stop(): Promise<void>;
};

type Waiting = { resolve(outcome: SendOutcome): void; cancelTimeout(): void };
type Connection = { worker: Worker; waiting: Map<number, Waiting>; gone: Promise<void> };

const goodbyeMs = 2_000;

/**
 * Of the thread's young generation. Each message leaves several times its bytes outside the heap, held by a few small objects in it:
 * the default size would have nearly all of that freed by collections of the whole heap, ten of them for each hundred MB sent.
 */
const youngMebibytes = 2;

/** Connects with the first message. */
export function createSender(options: SenderOptions): Sender {
  const { clock, random, timeoutMs = 60_000, backoff = { baseMs: 200, maxMs: 30_000 } } = options;
  let state: SenderState = { kind: 'closed' };
  let connection: Connection | undefined;
  let failures = 0;
  let lastId = 0;
  let stopped = false;

  function setState(next: SenderState): void {
    state = next;
    options.onConnection?.(next);
  }

  /** Once for each connection, whatever ended it. */
  function end(ended: Connection, reason: string): void {
    if (connection === ended) {
      connection = undefined;
      failures += 1;
      const ms = Math.min(backoff.baseMs * 2 ** (failures - 1), backoff.maxMs) * (0.5 + random() / 2);
      setState(
        stopped ? { kind: 'closed' } : { kind: 'waiting', untilMs: clock.now() + Math.ceil(ms), reason },
      );
    }
    for (const { resolve, cancelTimeout } of ended.waiting.values()) {
      cancelTimeout();
      resolve({ kind: 'unreachable', reason });
    }
    ended.waiting.clear();
  }

  function connect(): Connection {
    const { connectionString, caPem } = options;
    const data: ThreadData = { connectionString, caPem };
    // From the sources this is TypeScript, from a build JavaScript.
    const program = new URL(
      `./sender-thread${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`,
      import.meta.url,
    );
    const worker = new Worker(program, {
      workerData: data,
      resourceLimits: { maxYoungGenerationSizeMb: youngMebibytes },
    });
    const gone = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    const made: Connection = { worker, waiting: new Map(), gone };
    worker.on('message', (told: FromThread) => {
      if (told.kind === 'open') {
        failures = 0;
        if (connection === made) setState({ kind: 'open' });
        return;
      }
      const waiting = made.waiting.get(told.id);
      made.waiting.delete(told.id);
      waiting?.cancelTimeout();
      waiting?.resolve(told.outcome);
    });
    worker.once('error', (error: unknown) => {
      end(made, error instanceof Error ? `${error.name}: ${error.message}` : String(error));
    });
    worker.once('exit', () => end(made, 'the connection to the hub is over'));
    connection = made;
    setState({ kind: 'opening' });
    return made;
  }

  return {
    get state() {
      return state;
    },
    send(message) {
      if (stopped) return Promise.resolve({ kind: 'unreachable', reason: 'the sender has stopped' });
      if (state.kind === 'waiting' && clock.now() < state.untilMs) {
        return Promise.resolve({ kind: 'unreachable', reason: state.reason });
      }
      const { worker, waiting } = connection ?? connect();
      const current = connection;
      lastId += 1;
      const id = lastId;
      return new Promise((resolve) => {
        const cancelTimeout = clock.after(timeoutMs, () => {
          // Not even a refusal came back: the client is stuck, and everything behind this message with it.
          if (current !== undefined) end(current, `the hub did not answer within ${timeoutMs} ms`);
          void worker.terminate();
        });
        waiting.set(id, { resolve, cancelTimeout });
        const told: ToThread = { kind: 'send', id, message };
        worker.postMessage(told, [message.body.buffer]);
      });
    },
    async stop() {
      stopped = true;
      const last = connection;
      if (last === undefined) return;
      const told: ToThread = { kind: 'close' };
      last.worker.postMessage(told);
      const cancel = clock.after(goodbyeMs, () => void last.worker.terminate());
      await last.gone;
      cancel();
    },
  };
}
