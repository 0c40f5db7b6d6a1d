/**
 * Counts transfers against the credit and the size limit of their link before rhea stores their payload: rhea itself would
 * collect a message of any size, and only complain about one without credit.
 */
import type { AmqpError } from './errors.ts';
import type { Frame, RheaConnection, RheaLink, TransferFields } from './rhea-internals.ts';
import { WireError } from './wire/check.ts';
import { batchFormat, plainFormat } from './wire/message.ts';

export type Admission = {
  /** Messages on this link may have up to `maxBytes`; without a limit none are taken. */
  limit(link: RheaLink, maxBytes: number): void;
  /** Looks at a transfer before rhea does; empties it when it is not wanted. Throws WireError when no link takes it. */
  admit(frame: Frame<TransferFields>): void;
  /** Whether the message that is complete now is to be dropped. */
  dropped(link: RheaLink): boolean;
};

/** How much of a message has come on a link, and whether the rest is dropped. */
type Account = { maxBytes: number; received: number; dropping: boolean; aborted: boolean };

/** rhea decodes messages of format 0 by itself, trusting their bytes; it passes any other format on as it came. */
const rawFormat = 1;
const nothing = Buffer.alloc(0);

/** The format of a message as its sender gave it. */
export const originalFormat = (format: number | undefined): number =>
  format === batchFormat ? batchFormat : plainFormat;

/** `onOverrun` is called once for a link whose peer sends more than it may; the rest of what it sends is dropped. */
export function createAdmission(
  connection: Pick<RheaConnection, 'remote_channel_map'>,
  onOverrun: (link: RheaLink, error: AmqpError) => void,
): Admission {
  const accounts = new WeakMap<RheaLink, Account>();

  function accountOf(link: RheaLink): Account {
    let account = accounts.get(link);
    if (account === undefined) {
      account = { maxBytes: 0, received: 0, dropping: false, aborted: false };
      accounts.set(link, account);
    }
    return account;
  }

  function drop(link: RheaLink, account: Account, condition: string, description: string): void {
    if (account.dropping) return;
    account.dropping = true;
    onOverrun(link, { condition, description });
  }

  function begin(link: RheaLink, account: Account, { performative }: Frame<TransferFields>): void {
    const { message_format: format } = performative;
    account.received = 0;
    account.aborted = false;
    performative.message_format = format === null || format === plainFormat ? rawFormat : format;
    if (link.credit > 0) return;
    drop(
      link,
      account,
      'amqp:link:transfer-limit-exceeded',
      'more messages were sent than the link has credit',
    );
    link.credit = 1;
  }

  return {
    limit(link, maxBytes) {
      accountOf(link).maxBytes = maxBytes;
      link.local.attach.max_message_size = maxBytes;
    },
    admit(frame) {
      const { handle, aborted } = frame.performative;
      const link = connection.remote_channel_map[frame.channel]?.remote.handles[handle];
      if (!link?.is_receiver()) throw new WireError('a transfer came on a link that cannot take it');
      const account = accountOf(link);
      if (link._incomplete === undefined) begin(link, account, frame);
      account.received += frame.payload?.length ?? 0;
      if (account.received > account.maxBytes)
        drop(
          link,
          account,
          'amqp:link:message-size-exceeded',
          `a message is larger than ${account.maxBytes} bytes`,
        );
      account.aborted ||= aborted === true;
      if (account.dropping || account.aborted || frame.payload === undefined) frame.payload = nothing;
    },
    dropped(link) {
      const { dropping, aborted } = accountOf(link);
      return dropping || aborted;
    },
  };
}
