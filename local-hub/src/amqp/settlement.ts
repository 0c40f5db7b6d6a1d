/**
 * Settles deliveries so that rhea reports each outcome as it was given. rhea 3.0.5 joins neighbouring deliveries that are
 * settled in one flush into one disposition, with the outcome of the first, even when the second has another one. Only
 * `accepted` may therefore be settled more than once between two turns of the event loop.
 */
import type { Delivery } from 'rhea';
import type { AmqpError } from './errors.ts';

export type Verdict = { kind: 'accepted' } | { kind: 'released' } | ({ kind: 'rejected' } & AmqpError);

export type Settle = (delivery: Delivery, verdict: Verdict) => void;

function apply(delivery: Delivery, verdict: Verdict): void {
  if (verdict.kind === 'accepted') delivery.accept();
  else if (verdict.kind === 'released') delivery.release();
  else delivery.reject({ condition: verdict.condition, description: verdict.description });
}

/** Creates the settling of one session, which is the unit that rhea flushes. `defer` runs a callback in the next turn. */
export function createSettlement(defer: (callback: () => void) => void = setImmediate): Settle {
  let waiting: [Delivery, Verdict][] = [];
  let turn: 'open' | 'accepting' | 'closed' = 'open';
  let deferred = false;

  function trySettle(delivery: Delivery, verdict: Verdict): boolean {
    const accepts = verdict.kind === 'accepted';
    if (turn === 'closed' || (turn === 'accepting' && !accepts)) return false;
    turn = accepts ? 'accepting' : 'closed';
    apply(delivery, verdict);
    return true;
  }

  function nextTurn(): void {
    deferred = false;
    turn = 'open';
    const before = waiting;
    let settled = 0;
    for (const [delivery, verdict] of before) {
      if (!trySettle(delivery, verdict)) break;
      settled += 1;
    }
    waiting = before.slice(settled);
    if (settled > 0) schedule();
  }

  function schedule(): void {
    if (deferred) return;
    deferred = true;
    defer(nextTurn);
  }

  return (delivery, verdict) => {
    if (waiting.length > 0 || !trySettle(delivery, verdict)) waiting.push([delivery, verdict]);
    schedule();
  };
}
