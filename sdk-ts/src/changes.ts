/**
 * The changes of the agent's state, each once and in order, whatever happens to the connection: by stream, or by polling
 * where streams do not get through.
 */
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import type { Client } from '@connectrpc/connect';
import { AgentError, agentErrorOf } from './agent-error.ts';
import type { Call } from './call.ts';
import { backoffMs, type Clock, sleep } from './clock.ts';
import { changeOf, progressOf, snapshotOf } from './plain.ts';
import { type Place, placeOf } from './position.ts';
import type { AgentService, StateChanged } from './proto.ts';
import type { Position, Progress, StateChange } from './types.ts';

/** How the changes come at the moment. */
export type Connection = 'streaming' | 'polling' | 'disconnected';

export type ChangesOptions = {
  client: Client<typeof AgentService>;
  call: Call;
  clock: Clock;
  random: () => number;
  mode: 'auto' | 'stream' | 'poll';
  /** A stream that is silent for twice as long is dead. */
  heartbeatMs: number;
  onConnection: (connection: Connection) => void;
};

export type StateChangesOptions = {
  /** Ends the iteration: it then throws the signal's reason. */
  signal?: AbortSignal;
  /** How long the agent may be out of reach before the iteration throws, in ms. Default: for ever. */
  timeoutMs?: number;
  /** Go on after this change. Default: with the next one from now. */
  after?: Position;
  /** Told how far the transfer is, at most once a second; by stream only. */
  onProgress?: (progress: Progress) => void;
};

/** How long a stream may take to its first sign of life, which the agent sends at once. */
const firstSignMs = 5000;
/** How many streams in a row that were opened and stayed silent mean that streams do not get through. */
const maxSilentStreams = 2;
/** How long to poll before a stream is tried again. */
const streamAgainMs = 5 * 60_000;
const pollMs = 25_000;
/** How much longer than asked a poll may take. */
const pollSlackMs = 5000;

/** What the iteration cannot go on after. */
const final = new Set(['out_of_range', 'unauthenticated', 'permission_denied', 'invalid_argument']);

/** Opened, and then nothing: a proxy holds back, or does not know streams. */
class SilentStream extends AgentError {
  constructor() {
    super('unavailable', 'the stream of changes gives no sign of life');
  }
}

export async function* stateChanges(
  options: ChangesOptions,
  {
    signal = new AbortController().signal,
    timeoutMs = Number.POSITIVE_INFINITY,
    after,
    onProgress,
  }: StateChangesOptions,
): AsyncGenerator<StateChange, void, undefined> {
  const { client, call, clock, random, mode, heartbeatMs, onConnection } = options;
  let place = after === undefined ? await now() : placeOf(after);
  let connection: Connection | null = null;
  let failures = 0;
  let silentStreams = 0;
  let streamAgainAt = 0;
  let reachedAt = clock.monotonicMs();

  async function now(): Promise<Place> {
    const { snapshot } = await call((within) => client.getState({}, { signal: within }), {
      signal,
      timeoutMs,
    });
    if (snapshot === undefined) throw new AgentError('internal', 'the agent answered without a snapshot');
    return placeOf(snapshotOf(snapshot).position);
  }

  function reached(as: Connection): void {
    failures = 0;
    reachedAt = clock.monotonicMs();
    if (as === 'streaming') silentStreams = 0;
    report(as);
  }

  function report(as: Connection): void {
    if (connection === as) return;
    connection = as;
    onConnection(as);
  }

  const from = () => ({ afterSequence: BigInt(place.sequence), journalId: place.journalId });

  /** Moves on to this change; null for one that was handled before. Throws for a gap, so that it is asked for again. */
  function take(message: StateChanged): StateChange | null {
    const change = changeOf(message, place.journalId);
    if (change.sequence <= place.sequence) return null;
    if (change.sequence !== place.sequence + 1)
      throw new AgentError('unavailable', 'a change was lost on the way');
    place = { ...place, sequence: change.sequence };
    return change;
  }

  async function* streamed(): AsyncGenerator<StateChange> {
    const dead = new AbortController();
    const abort = () => dead.abort();
    signal.addEventListener('abort', abort);
    const request = { ...from(), heartbeatInterval: durationFromMs(heartbeatMs) };
    const stream = client.watchState(request, { signal: dead.signal })[Symbol.asyncIterator]();
    let silent = false;
    let patienceMs = Math.min(firstSignMs, 2 * heartbeatMs);
    try {
      for (;;) {
        // Only the wait for the agent counts, not the time that the caller takes for a change.
        const cancel = clock.after(patienceMs, () => {
          silent = true;
          abort();
        });
        const { done, value } = await stream.next().finally(cancel);
        if (done) throw new AgentError('unavailable', 'the stream of changes ended');
        patienceMs = 2 * heartbeatMs;
        reached('streaming');
        if (value.kind.case === 'progress') onProgress?.(progressOf(value.kind.value));
        const change = value.kind.case === 'stateChanged' ? take(value.kind.value) : null;
        if (change !== null) yield change;
      }
    } catch (error) {
      throw silent ? new SilentStream() : error;
    } finally {
      signal.removeEventListener('abort', abort);
      abort();
    }
  }

  async function* polled(): AsyncGenerator<StateChange> {
    // The first poll does not wait, and so shows at once whether polling works.
    for (let waitMs = 0; ; waitMs = pollMs) {
      if (mode === 'auto' && clock.monotonicMs() >= streamAgainAt) return;
      const request = { ...from(), timeout: durationFromMs(waitMs) };
      const over = new AbortController();
      const abort = () => over.abort(signal.reason);
      signal.addEventListener('abort', abort);
      const cancel = clock.after(waitMs + pollSlackMs, abort);
      try {
        const { changes } = await client.pollState(request, { signal: over.signal });
        reached('polling');
        for (const message of changes) {
          const change = take(message);
          if (change !== null) yield change;
        }
      } catch (error) {
        if (over.signal.aborted) throw new AgentError('unavailable', 'a poll was not answered in time');
        throw error;
      } finally {
        cancel();
        signal.removeEventListener('abort', abort);
      }
    }
  }

  for (;;) {
    signal.throwIfAborted();
    const polling = mode === 'poll' || (mode === 'auto' && clock.monotonicMs() < streamAgainAt);
    try {
      yield* polling ? polled() : streamed();
    } catch (error) {
      signal.throwIfAborted();
      const failure = agentErrorOf(error);
      if (final.has(failure.code)) throw failure;
      const blocked = failure instanceof SilentStream || failure.code === 'unimplemented';
      if (!polling && blocked) silentStreams += 1;
      if (mode === 'auto' && silentStreams >= maxSilentStreams) {
        silentStreams = 0;
        streamAgainAt = clock.monotonicMs() + streamAgainMs;
        continue;
      }
      report('disconnected');
      const outMs = clock.monotonicMs() - reachedAt;
      if (outMs >= timeoutMs) throw failure;
      failures += 1;
      const pauseMs = failure.retryAfterMs ?? backoffMs(failures, random);
      await sleep(clock, Math.min(pauseMs, timeoutMs - outMs), signal);
    }
  }
}
