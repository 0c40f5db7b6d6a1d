/** Puts what the cloud must know into the outbox, and says what became of it. */
import type { Log } from '../log/log.ts';
import type { Outbox, Payload } from '../outbox/outbox.ts';

/** `again`: there is no room; it can be told later. Everything else is settled. */
export type Told = { kind: 'told' } | { kind: 'again'; reason: string };
export type Tell = (payload: Payload, traceParent?: string) => Promise<Told>;

export function createTell({ outbox, log }: { outbox: Outbox; log: Log }): Tell {
  return async (payload, traceParent = '') => {
    const first = await outbox.put(payload, { traceParent });
    const outcome = first.kind === 'too_large' ? await outbox.put(shorter(payload), { traceParent }) : first;
    switch (outcome.kind) {
      case 'kept':
      case 'dropped':
        return { kind: 'told' };
      case 'too_large':
        // Never again smaller, so there is no use in keeping it.
        log({
          level: 'error',
          component: 'outbox',
          message: `a ${payload.case} of ${outcome.bytes} bytes cannot be sent`,
        });
        return { kind: 'told' };
      case 'full':
        return { kind: 'again', reason: 'the outbox is full' };
      case 'disk_full':
        return { kind: 'again', reason: 'the disk is full' };
    }
  };
}

/** Output is the longest part of a result, and the first that can be done without. */
function shorter(payload: Payload): Payload {
  if (payload.case !== 'updateResult') return payload;
  const steps = payload.value.steps.map((step) => ({
    ...step,
    outputTail: '',
    detail: step.detail.slice(0, 200),
  }));
  return { case: payload.case, value: { ...payload.value, steps } };
}
