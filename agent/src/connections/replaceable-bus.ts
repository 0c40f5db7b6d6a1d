/** A bus that can be used before the device has credentials, and goes on when it gets others. */
import type { Bus, Link } from '../bus/bus.ts';
import type { Credentials } from '../bus/credentials.ts';

export type ReplaceableBus = Omit<Bus, 'start'> & {
  /** Opens the link as this device, ending the one before. Throws when the credentials cannot be any; there is no link then. */
  use(credentials: Credentials): void;
  /** Ends the link, for whoever has still to find the next credentials: from now on it does not pass for one with those. */
  leave(): void;
  /** Resolves to whether the link is open, or opens before the signal aborts. */
  opens(signal: AbortSignal): Promise<boolean>;
};

export function createReplaceableBus(make: (credentials: Credentials) => Bus): ReplaceableBus {
  const listeners = new Set<(link: Link) => void>();
  let current: Bus | null = null;
  let link: Link = { kind: 'idle' };
  let turn: Promise<void> = Promise.resolve();
  let stopped = false;

  function setLink(next: Link): void {
    link = next;
    for (const listener of listeners) listener(next);
  }

  function onLink(listener: (link: Link) => void): () => void {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  function leave(): void {
    const before = current;
    if (stopped || before === null) return;
    current = null;
    setLink({ kind: 'idle' });
    turn = turn.then(() => before.stop());
  }

  return {
    get link() {
      return link;
    },
    onLink,
    leave,
    use(credentials) {
      if (stopped) return;
      leave();
      const made = make(credentials);
      current = made;
      made.onLink((next) => {
        if (current === made) setLink(next);
      });
      // The hub ends the older of two links of one device, so the new one begins after the old one's end.
      turn = turn.then(() => {
        if (!stopped && current === made) made.start();
      });
    },
    ask: async (payload, options) => (await current?.ask(payload, options)) ?? { kind: 'offline' },
    opens(signal) {
      return new Promise((resolve) => {
        const end = (open: boolean) => {
          unlisten();
          signal.removeEventListener('abort', giveUp);
          resolve(open);
        };
        const giveUp = () => end(false);
        const unlisten = onLink(({ kind }) => kind === 'open' && end(true));
        signal.addEventListener('abort', giveUp);
        if (link.kind === 'open' || signal.aborted) end(link.kind === 'open');
      });
    },
    async stop() {
      stopped = true;
      await current?.stop();
      await turn;
    },
  };
}
