/**
 * While a person is asked: asks again when what they put off is over or what they declined is offered anew, by going once
 * through BUSY and READY, so that the host application sees a new prompt; and ends an update whose time is over.
 */
import type { Withdrawal } from '../cloud/withdrawal.ts';
import type { Snapshot } from '../machine/snapshot.ts';
import type { Update } from '../machine/update.ts';
import type { UpdateStore } from '../updates/update-store.ts';
import { isOver, overReason } from './prompt-port.ts';

export type RemindersOptions = {
  updates: UpdateStore;
  snapshot: () => Snapshot;
  pending: () => Update | null;
  withdrawal: Pick<Withdrawal, 'withdraw'>;
  interrupt: () => Promise<unknown>;
  now: () => number;
  after: (ms: number, callback: () => void) => () => void;
};

export type Reminders = {
  /** The machine moved, a person decided, or an update was offered again. */
  look(): Promise<void>;
  stop(): void;
};

const lookAgainMs = 15_000;

export function createReminders(options: RemindersOptions): Reminders {
  const { updates, snapshot, pending, withdrawal, interrupt, now, after } = options;
  let cancel = () => {};

  function isDue(update: Update): boolean {
    const { decision } = snapshot().memory;
    if (decision?.manifestDigest !== update.manifest.digest) return false;
    if (decision.answer === 'postpone')
      return (decision.untilMs ?? 0) <= now() && !asked.has(decision.untilMs);
    const record = updates.get(update.updateId);
    return record !== null && record.offers > record.declinedOffers && !asked.has(record.offers);
  }

  /** What was reminded of once is not reminded of again. */
  const asked = new Set<number | null>();

  async function look(): Promise<void> {
    cancel();
    const update = pending();
    if (update === null || !snapshot().state.startsWith('WAIT_CONFIRM_')) return;
    cancel = after(lookAgainMs, () => void look());
    if (isOver(updates, update, now())) {
      await withdrawal.withdraw(update.updateId, 'refused', overReason);
    } else if (isDue(update)) {
      const { decision } = snapshot().memory;
      asked.add(
        decision?.answer === 'postpone' ? decision.untilMs : (updates.get(update.updateId)?.offers ?? null),
      );
      await interrupt();
    }
  }

  return { look, stop: () => cancel() };
}
