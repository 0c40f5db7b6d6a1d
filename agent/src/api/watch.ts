/**
 * The stream of moves. It is pulled: a slow caller holds up nobody, and nothing is queued for it but what the journal keeps
 * anyway. A caller that falls behind what is kept is told so, never given a gap.
 */
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { HeartbeatSchema, type WatchStateResponse, WatchStateResponseSchema } from '@iotdh/proto/agent/v1';
import type { Changed, Cursor, StartOver } from '../machine/changes.ts';
import { createBell } from './bell.ts';
import type { Clock } from './clock.ts';
import { errorOf } from './errors.ts';
import { unavailableFrom } from './from-sequence.ts';
import type { MoveRecords } from './move-records.ts';
import { progressOf } from './pending.ts';
import type { AgentMachine, UpdateView } from './port.ts';

export type WatchOptions = {
  machine: AgentMachine;
  records: MoveRecords;
  view: UpdateView;
  clock: Clock;
  heartbeatMs: number;
  /** Ends the stream. */
  signal: AbortSignal;
};

/** Progress comes at most this often. */
const progressEveryMs = 1000;

type Kind = WatchStateResponse['kind'];

/** Everything after the cursor, a heartbeat first, so that the caller knows at once that the stream works. */
export async function* watch(cursor: Cursor, options: WatchOptions): AsyncGenerator<WatchStateResponse> {
  const { machine, records, view, clock, heartbeatMs, signal } = options;
  const bell = createBell();
  const ended = new AbortController();
  const end = () => {
    ended.abort();
    bell.ring();
  };
  signal.addEventListener('abort', end);
  if (signal.aborted) end();

  const moves = machine.moves(cursor, ended.signal);
  let next: IteratorResult<Changed | StartOver, void> | null = null;
  let failure: unknown = null;
  const advance = () => {
    next = null;
    moves.next().then(
      (result) => {
        next = result;
        bell.ring();
      },
      (error: unknown) => {
        failure = error ?? new Error('the journal failed');
        bell.ring();
      },
    );
  };

  let silentUntil = clock.monotonicMs() + heartbeatMs;
  let cancelHeartbeat = clock.after(heartbeatMs, bell.ring);
  /** What is sent is a sign of life too. */
  function message(kind: Kind): WatchStateResponse {
    cancelHeartbeat();
    silentUntil = clock.monotonicMs() + heartbeatMs;
    cancelHeartbeat = clock.after(heartbeatMs, bell.ring);
    return create(WatchStateResponseSchema, { kind });
  }
  const heartbeat = () =>
    message({
      case: 'heartbeat',
      value: create(HeartbeatSchema, {
        sequence: BigInt(machine.standing().cursor.sequence),
        time: timestampFromMs(clock.now()),
      }),
    });

  let progressed = false;
  let progressAfter = clock.monotonicMs();
  let cancelProgress = () => {};
  const endProgress = view.onProgress(() => {
    progressed = true;
    bell.ring();
  });

  try {
    advance();
    yield heartbeat();
    while (!signal.aborted) {
      if (failure !== null) throw failure;
      // The type checker does not see that the callbacks above assign it.
      const result = next as IteratorResult<Changed | StartOver, void> | null;
      if (result !== null) {
        if (result.done === true) return;
        const item = result.value;
        // Falling behind what is kept while the stream lasts: the same answer as at its beginning.
        if (item.kind === 'start_over') throw errorOf(unavailableFrom(machine));
        const [value] = records.of([item.change]);
        advance();
        if (value !== undefined) yield message({ case: 'stateChanged', value });
        continue;
      }
      const now = clock.monotonicMs();
      if (progressed && now >= progressAfter) {
        progressed = false;
        progressAfter = now + progressEveryMs;
        const { state, update } = machine.standing();
        if (update !== null && state.startsWith('INTRANSIT_')) {
          yield message({ case: 'progress', value: progressOf(state, update, view) });
          continue;
        }
      }
      if (now >= silentUntil) {
        yield heartbeat();
        continue;
      }
      cancelProgress();
      cancelProgress = progressed ? clock.after(progressAfter - now, bell.ring) : () => {};
      await bell.wait();
    }
  } finally {
    signal.removeEventListener('abort', end);
    ended.abort();
    cancelHeartbeat();
    cancelProgress();
    endProgress();
  }
}
