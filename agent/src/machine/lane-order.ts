/** Which of the effects that are owed comes next. */
import type { Effect } from './effect.ts';
import type { PendingEffect } from './journal.ts';

/** As long as one of these is owed the host application cannot be busy: no report is worth that. */
const isApplying = ({ kind }: Effect) =>
  kind === 'apply_patch' || kind === 'apply_base' || kind === 'arm_slot';

/**
 * The first one, in the order in which they were decided on. What was set aside holds up its own batch, and no other; while
 * there is no room to tell (`canTell` is false), a report holds up everything behind it. Neither holds up applying, unless it
 * is a part of applying that was set aside.
 */
export function firstOwed(pending: readonly PendingEffect[], canTell: boolean): PendingEffect | undefined {
  const aside = pending.filter(({ setAside }) => setAside);
  let heldUp = false;
  for (const one of pending) {
    if (one.setAside) continue;
    const before = aside.filter(({ batch }) => batch === one.batch);
    if (isApplying(one.effect)) {
      if (before.every(({ effect }) => effect.kind === 'report')) return one;
    } else if (before.length === 0) {
      heldUp ||= one.effect.kind === 'report' && !canTell;
      if (!heldUp) return one;
    }
  }
  return undefined;
}
