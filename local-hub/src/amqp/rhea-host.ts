/**
 * Runs one rhea connection as a server and contains it: whatever rhea throws, in whichever callback, becomes one `failed`
 * event; whatever a peer asks for is bounded before rhea acts on it.
 */
import type { ConnectionOptions, Container, Delivery } from 'rhea';
import type { AmqpError } from './errors.ts';
import type {
  Frame,
  OutgoingDelivery,
  RheaConnection,
  RheaContext,
  RheaLink,
  RheaSession,
  RheaSocket,
  TransferFields,
} from './rhea-internals.ts';
import { checkAttach, checkDisposition, checkFlow, checkOpen } from './rhea-limits.ts';
import type { AmqpSettings } from './settings.ts';
import { WireError } from './wire/check.ts';
import { batchFormat, plainFormat } from './wire/message.ts';

export type Outcome = 'accepted' | 'rejected' | 'released' | 'modified' | 'none';

/** What happens on the connection, in the words of the hub. */
export type HostEvents = {
  attached(link: RheaLink): void;
  /** The peer has detached the link, or ended its session. */
  detached(link: RheaLink): void;
  message(link: RheaLink, delivery: Delivery, bytes: Buffer, format: number): void;
  /** The peer sent more than its credit, or a message larger than the link takes. What else it sends is dropped. */
  overrun(link: RheaLink, error: AmqpError): void;
  outcome(link: RheaLink, delivery: OutgoingDelivery, outcome: Outcome): void;
  /** The peer has given credit, or asks to have it used up (`drain`). */
  credit(link: RheaLink, drain: boolean): void;
  /** rhea has written what was given to it. */
  processed(): void;
  failed(error: unknown): void;
};

export type RheaHost = {
  /** Messages on this link may have up to `maxBytes`. */
  limit(link: RheaLink, maxBytes: number): void;
  /** Answers the attach with what the peer asked for; a link that is refused is answered with nothing. */
  confirm(link: RheaLink): void;
  /** The largest frame that the peer takes. */
  readonly peerMaxFrameBytes: number;
  readonly opened: boolean;
  /** Sends `close` and lets the peer answer. */
  close(error?: AmqpError): void;
  /** Sends `close` at once, without waiting for an answer; only for a connection that failed. */
  abort(error: AmqpError): void;
};

/** How much of a message has come on a link, and whether the rest is dropped. */
type Account = { maxBytes: number; received: number; dropping: boolean; aborted: boolean };

/** rhea decodes messages of format 0 by itself, trusting their bytes; it passes any other format on as it came. */
const rawFormat = 1;
const nothing = Buffer.alloc(0);
/** What a peer takes that announced no limit (AMQP 1.0 part 2, section 2.7.1). */
const unlimited = 4_294_967_295;
/** Sender settle mode "settled" (AMQP 1.0 part 2, section 2.8.2). */
const settledMode = 1;

/** Transfer and disposition: the many. */
const deferrable = new Set<number | undefined>([0x14, 0x15]);

/** Lets rhea forget a delivery without telling the peer. */
function forget(delivery: Delivery): void {
  Object.assign(delivery, { settled: true, remote_settled: true });
}

export function runRhea(
  container: Container,
  socket: RheaSocket,
  settings: AmqpSettings,
  events: HostEvents,
): RheaHost {
  const connection: RheaConnection = container.create_connection({
    max_frame_size: settings.maxFrameBytes,
    channel_max: settings.maxSessions - 1,
    idle_time_out: settings.idleTimeoutMs,
    reconnect: false,
    disable_sasl: true,
    receiver_options: { autoaccept: false, credit_window: 0 },
    sender_options: { treat_modified_as_released: false },
  } as unknown as ConnectionOptions) as unknown as RheaConnection;
  const accounts = new WeakMap<RheaLink, Account>();
  const links = new Set<RheaLink>();
  let failed = false;
  let opened = false;

  function fail(error: unknown): void {
    if (failed) return;
    failed = true;
    events.failed(error);
  }

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
    events.overrun(link, { condition, description });
  }

  /** Counts a transfer against its link's credit and size limit before rhea stores its payload. */
  function admit(frame: Frame<TransferFields>): void {
    const { handle, message_format: format, aborted } = frame.performative;
    const link = connection.remote_channel_map[frame.channel]?.remote.handles[handle];
    if (!link?.is_receiver()) throw new WireError('a transfer came on a link that cannot take it');
    const account = accountOf(link);
    if (link._incomplete === undefined) {
      account.received = 0;
      account.aborted = false;
      frame.performative.message_format = format === null || format === plainFormat ? rawFormat : format;
      if (link.credit <= 0) {
        drop(
          link,
          account,
          'amqp:link:transfer-limit-exceeded',
          'more messages were sent than the link has credit',
        );
        link.credit = 1;
      }
    }
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
  }

  function onMessage(link: RheaLink, { delivery, message, format }: RheaContext): void {
    const account = accountOf(link);
    if (delivery === undefined) return;
    if (account.dropping || account.aborted || !Buffer.isBuffer(message)) forget(delivery);
    else events.message(link, delivery, message, format === batchFormat ? batchFormat : plainFormat);
  }

  function onDetach(link: RheaLink): void {
    if (links.delete(link)) events.detached(link);
  }

  function onSessionEnd(session: RheaSession): void {
    for (const link of Object.values(session.links)) onDetach(link);
  }

  function onEvent(event: string, context: RheaContext): void {
    const link = context.receiver ?? context.sender;
    switch (event) {
      case 'connection_open':
        opened = true;
        break;
      case 'session_open':
        if (context.session) context.session.local.begin.handle_max = settings.maxLinks - 1;
        break;
      case 'session_close':
        if (context.session) onSessionEnd(context.session);
        break;
      case 'receiver_open':
      case 'sender_open':
        if (link) {
          links.add(link);
          events.attached(link);
        }
        break;
      case 'receiver_close':
      case 'sender_close':
        if (link) onDetach(link);
        break;
      case 'message':
        if (link) onMessage(link, context);
        break;
      case 'accepted':
      case 'rejected':
      case 'released':
      case 'modified':
        if (link && context.delivery) events.outcome(link, context.delivery as OutgoingDelivery, event);
        break;
      case 'settled':
        if (context.sender && context.delivery)
          events.outcome(context.sender, context.delivery as OutgoingDelivery, 'none');
        break;
      case 'sender_flow':
        if (link) events.credit(link, false);
        break;
      case 'sender_draining':
        if (link) events.credit(link, true);
        break;
      case 'error':
      case 'protocol_error':
        fail(context);
        break;
      default:
    }
  }

  connection.dispatch = (event, context) => {
    try {
      onEvent(event, context);
    } catch (error) {
      fail(error);
    }
    return true;
  };

  // rhea writes to the socket, and restarts its heartbeat timer, with every frame; once for all transfers of a turn will do.
  // Other frames go at once, because rhea changes some of them after they are written.
  const { _process: process, _write_frame: writeFrame, output } = connection;
  let processing = false;
  let deferring = false;
  let deferred = false;
  connection.output = () => {
    if (deferring) deferred = true;
    else output.call(connection);
  };
  connection._write_frame = (channel, frame, payload) => {
    deferring = processing && deferrable.has(frame?.constructor.descriptor.numeric);
    writeFrame.call(connection, channel, frame, payload);
    deferring = false;
  };
  connection._process = () => {
    processing = true;
    try {
      process.call(connection);
      processing = false;
      if (deferred) output.call(connection);
      deferred = false;
      events.processed();
    } catch (error) {
      fail(error);
    } finally {
      processing = false;
    }
  };

  const { on_open, on_begin, on_attach, on_flow, on_transfer, on_disposition, on_detach } = connection;
  connection.on_open = (frame) => {
    checkOpen(frame.performative);
    on_open.call(connection, frame);
  };
  connection.on_begin = (frame) => {
    if (Object.keys(connection.local_channel_map).length >= settings.maxSessions)
      throw new WireError(`more than ${settings.maxSessions} sessions were begun`);
    on_begin.call(connection, frame);
  };
  connection.on_attach = (frame) => {
    if (links.size >= settings.maxLinks)
      throw new WireError(`more than ${settings.maxLinks} links were attached`);
    checkAttach(frame.performative, connection.remote_channel_map[frame.channel]);
    on_attach.call(connection, frame);
  };
  connection.on_flow = (frame) => {
    checkFlow(frame.performative, connection.remote_channel_map[frame.channel]);
    on_flow.call(connection, frame);
  };
  connection.on_transfer = (frame) => {
    admit(frame);
    on_transfer.call(connection, frame);
  };
  connection.on_disposition = (frame) => {
    checkDisposition(frame.performative);
    on_disposition.call(connection, frame);
  };

  connection.on_detach = (frame) => {
    const { handle } = frame.performative;
    const handles = connection.remote_channel_map[frame.channel]?.remote.handles;
    const link = handles?.[handle];
    on_detach.call(connection, frame);
    if (link === undefined || handles === undefined) return;
    // rhea answers in the next tick and forgets the link in the one after: too late for a peer that attaches it again at
    // once. And it never forgets the handle.
    link.close();
    connection._process();
    link.remove();
    delete handles[handle];
  };

  /** Sessions are ended too: after a `close` alone, IoT Hub's SDKs wait 45 s for the end of their session. */
  function closeAll(error?: AmqpError): void {
    for (const session of Object.values(connection.local_channel_map)) session.end(error);
    connection.close(error);
  }

  connection.accept(socket);
  return {
    limit(link, maxBytes) {
      accountOf(link).maxBytes = maxBytes;
      link.local.attach.max_message_size = maxBytes;
    },
    confirm(link) {
      const { attach } = link.local;
      attach.source = link.source?.described();
      attach.target = link.target?.described();
      if (link.snd_settle_mode === settledMode) attach.snd_settle_mode = settledMode;
    },
    get peerMaxFrameBytes() {
      return connection.max_frame_size ?? unlimited;
    },
    get opened() {
      return opened;
    },
    close: closeAll,
    abort(error) {
      failed = true;
      try {
        closeAll(error);
        process.call(connection);
      } catch {
        // It failed before, and cannot even say so; its stream is cut next.
      }
    },
  };
}
