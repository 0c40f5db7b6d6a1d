/** Flushes the outbound links of one connection in turns of the event loop, each within its fair share. */
import type { OutboundLink } from './outbound-link.ts';

export type Outbox = {
  schedule(link: OutboundLink): void;
  /** The socket or a session's window may have opened: stalled links may go on. */
  unblocked(): void;
  forget(link: OutboundLink): void;
};

export function createOutbox(onError: (error: unknown) => void): Outbox {
  let ready = new Set<OutboundLink>();
  const stalled = new Set<OutboundLink>();
  let scheduled = false;

  function schedule(): void {
    if (scheduled || ready.size === 0) return;
    scheduled = true;
    setImmediate(run);
  }

  function run(): void {
    scheduled = false;
    const turn = ready;
    ready = new Set();
    try {
      for (const link of turn) {
        const result = link.flush();
        if (result === 'more') ready.add(link);
        else if (result === 'stalled') stalled.add(link);
      }
    } catch (error) {
      onError(error);
    }
    schedule();
  }

  return {
    schedule(link) {
      ready.add(link);
      schedule();
    },
    unblocked() {
      if (stalled.size === 0) return;
      for (const link of stalled) ready.add(link);
      stalled.clear();
      schedule();
    },
    forget(link) {
      ready.delete(link);
      stalled.delete(link);
    },
  };
}
