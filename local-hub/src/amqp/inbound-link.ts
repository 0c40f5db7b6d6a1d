/**
 * A link on which the peer sends: gives credit, hands over messages, and gives more credit as they are settled, so that what
 * the hub has not yet dealt with is bounded.
 */
import type { Delivery, Receiver } from 'rhea';
import type { AmqpError } from './errors.ts';
import type { RheaLink } from './rhea-internals.ts';
import type { Settle, Verdict } from './settlement.ts';

/** A received message, until `settle` is called. */
export type Inbound = {
  bytes: Buffer;
  /** `plainFormat` or `batchFormat`. */
  format: number;
  settle(verdict: Verdict): void;
};

/** What a node does with a link on which the peer sends. */
export type InboundHandler = {
  maxMessageBytes: number;
  /** Messages that may be in flight. */
  credit: number;
  receive(message: Inbound): void;
  /** The link is gone; settling what is left does nothing. */
  closed(): void;
  /** False when the peer may no longer use the link, for example because its token expired. */
  allowed(): boolean;
};

export type InboundLink = {
  readonly kind: 'inbound';
  readonly handler: InboundHandler;
  /** Lets the peer send: gives the first credit, though not before `open` has returned. */
  grant(): void;
  deliver(delivery: Delivery, bytes: Buffer, format: number): void;
  close(error?: AmqpError): void;
  /** The peer has detached, or the connection is gone. */
  gone(): void;
};

export const accepted: Verdict = { kind: 'accepted' };
export const released: Verdict = { kind: 'released' };

/** Creates the link; `open` is called at once, and may throw to refuse it. */
export function createInboundLink(
  link: RheaLink,
  settle: Settle,
  open: (link: InboundLink) => InboundHandler,
): InboundLink {
  const receiver = link as unknown as Receiver;
  let state: 'waiting' | 'granted' | 'closed' = 'waiting';
  let unsettled = 0;
  let window = 0;

  function topUp(): void {
    const inUse = link.credit + unsettled;
    // In steps of half the window: a flow frame for each message would cost as much as the message.
    if (state === 'granted' && inUse <= window / 2) receiver.add_credit(window - inUse);
  }

  function leave(): void {
    if (state === 'closed') return;
    state = 'closed';
    handler.closed();
  }

  const self: InboundLink = {
    kind: 'inbound',
    get handler() {
      return handler;
    },
    grant() {
      if (state !== 'waiting') return;
      state = 'granted';
      topUp();
    },
    deliver(delivery, bytes, format) {
      if (state === 'closed') {
        settle(delivery, released);
        return;
      }
      unsettled += 1;
      let settled = false;
      handler.receive({
        bytes,
        format,
        settle(verdict) {
          if (settled || state === 'closed') return;
          settled = true;
          unsettled -= 1;
          settle(delivery, verdict);
          topUp();
        },
      });
    },
    close(error) {
      if (state === 'closed') return;
      leave();
      link.close(error);
    },
    gone: leave,
  };
  const handler = open(self);
  window = handler.credit;
  topUp();
  return self;
}
