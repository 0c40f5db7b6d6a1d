/** Why applying an update failed last, kept for the result of one that no attempt brings to an end. */
import type { EffectContext, Failed } from '../machine/effect.ts';
import type { Update } from '../machine/update.ts';
import type { UpdateStore } from '../updates/update-store.ts';

export type FailuresOptions = {
  updates: Pick<UpdateStore, 'get' | 'change'>;
  redact: (text: string) => string;
};

/** Empty: none is known, as when each attempt took the agent down with it. */
export const lastFailureOf = (
  updates: Pick<UpdateStore, 'get'>,
  { updateId, target }: Pick<Update, 'updateId' | 'target'>,
): string => updates.get(updateId)?.[target].lastFailure ?? '';

export type Failures = {
  /** One attempt; a throw is a failure. */
  attempt<R extends { kind: string }>(
    update: Update,
    context: EffectContext,
    begin: () => Promise<R>,
  ): Promise<R | Failed>;
};

/** As much as the detail of a step holds. */
const maxLength = 1000;

export function createFailures({ updates, redact }: FailuresOptions): Failures {
  function keep(update: Update, reason: string): void {
    const lastFailure = redact(reason).slice(0, maxLength);
    if (lastFailure === lastFailureOf(updates, update)) return;
    try {
      updates.change(update.updateId, update.target, { lastFailure });
    } catch {
      // On a full disk, or of an update whose record is lost, only the log says it.
    }
  }

  return {
    async attempt(update, { signal, givenUp }, begin) {
      const end = await begin().catch((error: unknown): Failed => {
        return { kind: 'failed', reason: error instanceof Error ? error.message : String(error) };
      });
      // What a stop cuts short is no failure, and what is taken back has failed before.
      if (isFailed(end) && end.restarting !== true && !signal.aborted && !givenUp) keep(update, end.reason);
      return end;
    },
  };
}

const isFailed = (end: { kind: string }): end is Failed => end.kind === 'failed';
