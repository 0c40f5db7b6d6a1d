/** One call, tried again while the agent cannot be reached, within the caller's time. */
import { AgentError, agentErrorOf } from './agent-error.ts';
import { backoffMs, type Clock, sleep } from './clock.ts';
import type { WaitOptions } from './types.ts';

export type Call = <T>(attempt: (signal: AbortSignal) => Promise<T>, wait?: WaitOptions) => Promise<T>;

export type CallOptions = { clock: Clock; random: () => number; timeoutMs: number };

/**
 * A repetition is harmless: what changes something carries a request id. Throws the AgentError that is not worth another
 * attempt, `deadline_exceeded` once the time is up, or the reason of the caller's signal.
 */
export function createCall({ clock, random, timeoutMs: usualMs }: CallOptions): Call {
  return async (attempt, { signal, timeoutMs = usualMs } = {}) => {
    signal?.throwIfAborted();
    const over = new AbortController();
    const abort = () => over.abort();
    signal?.addEventListener('abort', abort);
    const cancel = Number.isFinite(timeoutMs) ? clock.after(timeoutMs, abort) : () => {};
    let last: AgentError | null = null;
    try {
      for (let failures = 1; ; failures += 1) {
        try {
          return await attempt(over.signal);
        } catch (error) {
          if (!over.signal.aborted) {
            last = agentErrorOf(error);
            if (last.code !== 'unavailable' || !last.retryable) throw last;
            await sleep(clock, last.retryAfterMs ?? backoffMs(failures, random), over.signal);
          }
        }
        signal?.throwIfAborted();
        if (over.signal.aborted) {
          const why = last === null ? '' : `: ${last.message}`;
          const message = `the agent did not answer within ${timeoutMs} ms${why}`;
          throw new AgentError('deadline_exceeded', message, { cause: last ?? undefined });
        }
      }
    } finally {
      cancel();
      signal?.removeEventListener('abort', abort);
    }
  };
}
