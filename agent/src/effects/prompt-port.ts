/**
 * The port `prompt`: the host application shows the update once the agent says that it waits for a person. Before that come
 * the time from which it may be applied, and the end of what a person put off or declined.
 */
import { timestampMs } from '@bufbuild/protobuf/wkt';
import type { Withdrawal } from '../cloud/withdrawal.ts';
import type { Ports } from '../machine/effect.ts';
import type { Decision, Update } from '../machine/update.ts';
import type { UpdateStore } from '../updates/update-store.ts';

export type PromptPortOptions = {
  updates: UpdateStore;
  withdrawal: Pick<Withdrawal, 'withdraw'>;
  now: () => number;
  sleep: (ms: number, signal: AbortSignal) => Promise<void>;
};

export type PromptPort = {
  prompt: Ports['prompt'];
  /** An update was offered again: a prompt that waits for that looks again. */
  onOfferedAgain(): void;
};

/** Clocks jump, so no wait is longer. */
const lookAgainMs = 60_000;

export function createPromptPort({ updates, withdrawal, now, sleep }: PromptPortOptions): PromptPort {
  let wake = () => {};

  /** Until when to wait, in ms since 1970: the past for now, infinity for another offer. */
  function askFromMs({ updateId }: Update, decision: Decision | null): number {
    const record = updates.get(updateId);
    const notBefore = record?.offer.notBefore;
    const windowMs = notBefore === undefined ? 0 : timestampMs(notBefore);
    if (decision === null || record === null) return windowMs;
    const offeredAnew = record.offers > record.declinedOffers;
    if (decision.answer === 'decline') return offeredAnew ? windowMs : Number.POSITIVE_INFINITY;
    return Math.max(windowMs, decision.untilMs ?? 0);
  }

  /** Sleeps, or until an update is offered again. */
  async function rest(ms: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    wake = () => woken.abort();
    await sleep(Math.min(ms, lookAgainMs), AbortSignal.any([signal, woken.signal]));
  }

  return {
    async prompt({ update, decision }, { signal }) {
      while (!signal.aborted) {
        if (isOver(updates, update, now())) {
          await withdrawal.withdraw(update.updateId, 'refused', overReason);
          return { kind: 'failed', reason: overReason };
        }
        const waitMs = askFromMs(update, decision) - now();
        if (waitMs <= 0) {
          return { kind: 'event', event: { type: 'prompt_issued', manifestDigest: update.manifest.digest } };
        }
        await rest(waitMs, signal);
      }
      return { kind: 'failed', reason: 'the prompt is no longer wanted' };
    },
    onOfferedAgain: () => wake(),
  };
}

export const overReason = 'the time in which it might have been applied is over';

/** Whether the offer says not to begin any more. A base that takes a failed patch's place has no such limit. */
export function isOver(updates: UpdateStore, { updateId, target }: Update, nowMs: number): boolean {
  const notAfter = updates.get(updateId)?.offer.notAfter;
  return target === 'patch' && notAfter !== undefined && timestampMs(notAfter) < nowMs;
}
