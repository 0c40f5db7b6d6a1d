/**
 * A link on which the peer receives: sends what it is given, or fetches, within the peer's credit, the session's window and
 * the socket's backlog. rhea queues whatever it is given; here nothing is given to it that it cannot write at once.
 */
import type { Sender } from 'rhea';
import type { AmqpError } from './errors.ts';
import type { Outcome } from './rhea-host.ts';
import type { OutgoingDelivery, RheaLink } from './rhea-internals.ts';

export type Outbound = {
  payload: Buffer;
  /** The delivery tag, at most 32 bytes. Default: a counter. */
  tag?: Buffer;
  /** Called once with what the peer made of it. Without it the message is sent settled. */
  onOutcome?: (outcome: Outcome) => void;
  /** Called once when the message waits no longer: it was sent, or its link is gone. */
  onLeft?: () => void;
};

/** What a node does with a link on which the peer receives. */
export type OutboundHandler = {
  /** Fetches the next message when there is room for one; undefined when there is none, then `wake` is awaited. */
  next?(): Outbound | undefined;
  /** How many more messages the peer takes, beyond those that wait already. */
  creditChanged?(credit: number): void;
  closed(): void;
  /** False when the peer may no longer use the link, for example because its token expired. */
  allowed(): boolean;
};

/**
 * What a flush came to: `idle` has nothing to send or no credit for it, `more` has used up its fair share of this turn,
 * `stalled` waits for the socket or for the session's window.
 */
export type FlushResult = 'idle' | 'more' | 'stalled';

export type OutboundLink = {
  readonly kind: 'outbound';
  readonly handler: OutboundHandler;
  /** Sends a message, or lets it wait for credit. False when the link is closed, also because too many wait. */
  push(message: Outbound): boolean;
  /** There may be something for `next` to fetch. */
  wake(): void;
  flush(): FlushResult;
  credit(drain: boolean): void;
  outcome(delivery: OutgoingDelivery, outcome: Outcome): void;
  close(error?: AmqpError): void;
  gone(): void;
};

export type OutboundOptions = {
  link: RheaLink;
  /** The largest frame that the peer takes. */
  maxFrameBytes(): number;
  /** True while the socket takes nothing more. */
  blocked(): boolean;
  /** Asks for a later `flush`. */
  schedule(link: OutboundLink): void;
};

/** A link's share of one turn, so that one reader of a long log does not hold up the others. */
const maxMessagesPerTurn = 64;
const maxBytesPerTurn = 262_144;
/** Messages that may wait for credit. */
const maxWaiting = 256;
/** What rhea adds to each fragment of a message, at most, with a tag of 32 bytes. */
const frameOverheadBytes = 82;

export function createOutboundLink(
  options: OutboundOptions,
  open: (link: OutboundLink) => OutboundHandler,
): OutboundLink {
  const { link } = options;
  const sender = link as unknown as Sender;
  const { outgoing } = link.session;
  const unsettled = new Map<OutgoingDelivery, (outcome: Outcome) => void>();
  let waiting: Outbound[] = [];
  let mayFetch = true;
  let draining = false;
  let closed = false;
  let counter = 0;

  /** Ids of deliveries that rhea may not have transferred yet; it takes their credit only then. */
  const fresh: number[] = [];

  /** Deliveries of all links of the session that rhea has not transferred yet. */
  const untransferred = () => outgoing.next_delivery_id - outgoing.next_pending_delivery;

  /** How many messages the peer has credit for, beyond those given to rhea in this turn. */
  function available(): number {
    while (fresh[0] !== undefined && fresh[0] < outgoing.next_pending_delivery) fresh.shift();
    return link.credit - fresh.length;
  }

  function fits(payload: Buffer): boolean {
    const fragmentBytes = Math.max(1, options.maxFrameBytes() - frameOverheadBytes);
    const frames = Math.ceil(payload.length / fragmentBytes) || 1;
    const window = outgoing.transfer_window() - untransferred();
    // A message with more frames than the peer's whole window goes in parts, but then alone.
    return window >= frames || (window > 0 && untransferred() === 0);
  }

  function nextTag(): Buffer {
    const tag = Buffer.allocUnsafe(4);
    tag.writeUInt32BE(counter, 0);
    counter = (counter + 1) >>> 0;
    return tag;
  }

  function send({ payload, tag = nextTag(), onOutcome }: Outbound): void {
    const delivery = sender.send(payload, tag, 0) as OutgoingDelivery;
    fresh.push(delivery.id);
    if (onOutcome === undefined) delivery.settled = true;
    else if (delivery.settled) onOutcome('accepted');
    else unsettled.set(delivery, onOutcome);
  }

  function fetch(): Outbound | undefined {
    const message = mayFetch ? handler.next?.() : undefined;
    if (message === undefined) mayFetch = false;
    return message;
  }

  function finishDrain(): void {
    draining = false;
    sender.set_drained(true);
    link.session.connection._register();
  }

  function flush(): FlushResult {
    let messages = 0;
    let bytes = 0;
    while (!closed) {
      if (available() <= 0) return 'idle';
      if (options.blocked() || outgoing.available() === 0) return 'stalled';
      const message = waiting[0] ?? fetch();
      if (message === undefined) {
        if (draining) finishDrain();
        return 'idle';
      }
      if (waiting[0] === undefined) waiting.push(message);
      if (!fits(message.payload)) return 'stalled';
      if (messages === maxMessagesPerTurn || bytes > maxBytesPerTurn) return 'more';
      waiting.shift();
      messages += 1;
      bytes += message.payload.length;
      send(message);
      message.onLeft?.();
    }
    return 'idle';
  }

  function leave(): void {
    if (closed) return;
    closed = true;
    const dropped = waiting;
    waiting = [];
    for (const { onLeft } of dropped) onLeft?.();
    for (const delivery of unsettled.keys()) {
      // Nobody will settle them any more; rhea would keep them in its buffer of the session.
      delivery.settled = true;
      delivery.remote_settled = true;
    }
    unsettled.clear();
    const last = fresh.at(-1);
    // Of a message with more frames than the peer's window, the rest would follow behind the detach.
    if (last !== undefined)
      setImmediate(() => {
        if (outgoing.next_pending_delivery <= last) link.session.end();
      });
    handler.closed();
  }

  const self: OutboundLink = {
    kind: 'outbound',
    get handler() {
      return handler;
    },
    push(message) {
      if (closed) return false;
      if (waiting.length >= maxWaiting) {
        // Better an error that the peer sees than a message that it never gets.
        self.close({
          condition: 'amqp:resource-limit-exceeded',
          description: `More than ${maxWaiting} messages wait for credit`,
        });
        return false;
      }
      waiting.push(message);
      options.schedule(self);
      return true;
    },
    wake() {
      mayFetch = true;
      options.schedule(self);
    },
    flush,
    credit(drain) {
      if (closed) return;
      draining = drain;
      handler.creditChanged?.(Math.max(0, available() - waiting.length));
      options.schedule(self);
    },
    outcome(delivery, outcome) {
      const onOutcome = unsettled.get(delivery);
      if (onOutcome === undefined) return;
      unsettled.delete(delivery);
      // The peer waits for us to settle first (receiver settle mode "second").
      if (!delivery.remote_settled) delivery.update(true);
      delivery.settled = true;
      delivery.remote_settled = true;
      onOutcome(outcome);
    },
    close(error) {
      if (closed) return;
      leave();
      sender.close(error);
    },
    gone: leave,
  };
  const handler = open(self);
  return self;
}
