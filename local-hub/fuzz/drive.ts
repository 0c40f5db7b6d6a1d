/** Plays inputs against a hub, many at a time: sends, ignores the answers, and insists that every connection is closed in the end. */
import type { Duplex } from 'node:stream';
import { type Input, inputOf, type Knowledge, type Protocol } from './input.ts';

export type DriveOptions = {
  seed: number;
  /** The indices of the inputs: from `first`, `inputs` of them. */
  first: number;
  inputs: number;
  /** How many clients there are at a time. */
  concurrency: number;
  /** The share of clients that fall silent and wait for the hub to close. */
  lingering: number;
  /** A connection that is still open so long after its client has ended (or fallen silent) is a failure. */
  closeWithinMs: number;
  knowledge: Knowledge;
  open(protocol: Protocol): Duplex;
  /** Called after each input with how many are done; throws to stop. */
  check(done: number): void;
};

export type Driven = {
  inputs: number;
  bytes: number;
  byProtocol: Record<Protocol, number>;
  /** Connections that the hub ended before the client did. */
  closedByHub: number;
};

/** An input that the hub did not survive, or after which it left the connection open. */
export class FuzzFailure extends Error {
  override readonly name = 'FuzzFailure';
}

/** Plays one input. Resolves with whether the hub closed first, when the connection is gone on both sides. */
async function play(input: Input, stream: Duplex, closeWithinMs: number): Promise<boolean> {
  let closed = false;
  const gone = Promise.withResolvers<void>();
  stream.on('error', () => {});
  stream.once('close', () => {
    closed = true;
    gone.resolve();
  });
  // A duplex of which both halves have ended is gone as well.
  stream.once('end', () => stream.destroy());
  if (input.reads) stream.resume();
  for (const chunk of input.chunks) {
    if (closed || stream.destroyed) break;
    stream.write(chunk);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const closedByHub = closed;
  if (input.ending === 'cut') stream.destroy();
  else if (input.ending === 'end' && !closed) stream.end();
  stream.resume();
  const timer = setTimeout(
    () =>
      gone.reject(new FuzzFailure(`input ${input.index} (${input.protocol}, ${input.ending}) was left open`)),
    closeWithinMs,
  );
  try {
    await gone.promise;
  } finally {
    clearTimeout(timer);
    stream.destroy();
  }
  return closedByHub;
}

/** Plays the inputs. Rejects with the first failure. */
export async function drive(options: DriveOptions): Promise<Driven> {
  const { seed, first, inputs, concurrency, lingering, closeWithinMs, knowledge, open, check } = options;
  const driven: Driven = {
    inputs: 0,
    bytes: 0,
    byProtocol: { mqtt: 0, amqp: 0, http: 0, websocket: 0 },
    closedByHub: 0,
  };
  let next = first;
  let failed = false;

  async function lane(): Promise<void> {
    while (!failed && next < first + inputs) {
      const input = inputOf(seed, next, knowledge, lingering);
      next += 1;
      try {
        if (await play(input, open(input.protocol), closeWithinMs)) driven.closedByHub += 1;
        driven.inputs += 1;
        driven.byProtocol[input.protocol] += 1;
        for (const chunk of input.chunks) driven.bytes += chunk.length;
        check(driven.inputs);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  }

  await Promise.all(Array.from({ length: concurrency }, lane));
  return driven;
}
