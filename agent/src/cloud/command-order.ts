/** Acts on each command once: a repetition, and what is older than one of its kind that was acted on, is ignored over restarts too. */
import type { Command, Envelope } from '../bus/bus.ts';
import { openDocument } from '../durable/document.ts';
import type { Log } from '../log/log.ts';

/** `later`: it could not be acted on now; should it come again, it is. */
export type Acted = 'acted' | 'later';

export type CommandOrder = {
  /** A receiver that hands on what is new. It is noted as acted on after it was, so a crash in between lets it come again. */
  once<K extends Command['case']>(
    act: (message: Envelope<K>) => Promise<Acted>,
  ): (message: Envelope<K>) => Promise<void>;
};

type Kept = Record<string, string>;

export function openCommandOrder(
  path: string,
  { log, onDamaged }: { log: Log; onDamaged: (path: string) => void },
): CommandOrder {
  const document = openDocument<Kept>({
    path,
    read: (parsed) => (typeof parsed === 'object' && parsed !== null ? (parsed as Kept) : null),
    initial: {},
    onDamaged,
  });
  const last = (kind: string) => BigInt(document.value[kind] ?? '0');
  return {
    once: (act) => async (message) => {
      const { sequence, messageId } = message;
      const kind = message.payload.case;
      if (sequence <= last(kind)) {
        const about = { kind, sequence: String(sequence), message_id: messageId };
        log({
          level: 'info',
          component: 'commands',
          message: 'a command that is older than one acted on is ignored',
          about,
        });
        return;
      }
      if ((await act(message)) === 'acted') document.write({ ...document.value, [kind]: String(sequence) });
    },
  };
}
