/** Sends what the outbox holds, a few messages at a time, for as long as there is a session. */
import { describe, type Notes } from './notes.ts';
import type { OutgoingQueue } from './outgoing.ts';
import type { Session } from './session.ts';

export type SenderOptions = { outgoing: OutgoingQueue; notes: Notes; maxInFlight: number };

export type Sender = {
  /** Sends over this session until it ends. */
  use(session: Session): void;
  /** Resolves when nothing is on its way any more; nothing more is sent. */
  stop(): Promise<void>;
};

export function createSender({ outgoing, notes, maxInFlight }: SenderOptions): Sender {
  let current: Session | undefined;
  let stopped = false;
  let inFlight = 0;
  const idle = new Set<() => void>();

  async function send(session: Session, message: ReturnType<OutgoingQueue['take']>[number]): Promise<void> {
    inFlight += 1;
    try {
      await session.send(message);
      outgoing.sent(message.sequence);
    } catch (error) {
      outgoing.unsent(message.sequence);
      // A publish that failed says that the connection is not what it seems: a PUBACK is missing, or it is over.
      if (current === session) {
        current = undefined;
        notes({
          level: 'info',
          what: 'a message was not acknowledged, and is sent again',
          detail: describe(error),
        });
        void session.close();
      }
    } finally {
      inFlight -= 1;
      if (inFlight === 0) for (const resolve of idle) resolve();
      drain();
    }
  }

  function drain(): void {
    if (stopped || current === undefined || inFlight >= maxInFlight) return;
    for (const message of outgoing.take(maxInFlight - inFlight)) void send(current, message);
  }

  const unlisten = outgoing.onKept(drain);

  return {
    use(session) {
      current = session;
      void session.ended.then(() => {
        if (current === session) current = undefined;
      });
      drain();
    },
    async stop() {
      stopped = true;
      unlisten();
      if (inFlight > 0) await new Promise<void>((resolve) => idle.add(resolve));
    },
  };
}
