/**
 * Runs one rhea connection as a server and contains it: whatever rhea throws, in whichever callback, becomes one `failed`
 * event; whatever a peer asks for is bounded before rhea acts on it.
 */
import type { ConnectionOptions, Container, Delivery } from 'rhea';
import type { AmqpError } from './errors.ts';
import { createAdmission, originalFormat } from './rhea-admission.ts';
import type {
  OutgoingDelivery,
  RheaConnection,
  RheaContext,
  RheaLink,
  RheaSession,
  RheaSocket,
} from './rhea-internals.ts';
import { checkAttach, checkDisposition, checkFlow, checkOpen } from './rhea-limits.ts';
import { gatherWrites } from './rhea-writes.ts';
import type { AmqpSettings } from './settings.ts';
import { WireError } from './wire/check.ts';

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

/** What a peer takes that announced no limit (AMQP 1.0 part 2, section 2.7.1). */
const unlimited = 4_294_967_295;
/** Sender settle mode "settled" (AMQP 1.0 part 2, section 2.8.2). */
const settledMode = 1;

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
  const admission = createAdmission(connection, events.overrun);
  const process = gatherWrites(connection);
  const links = new Set<RheaLink>();
  let failed = false;
  let opened = false;

  function fail(error: unknown): void {
    if (failed) return;
    failed = true;
    events.failed(error);
  }

  function onMessage(link: RheaLink, { delivery, message, format }: RheaContext): void {
    if (delivery === undefined) return;
    if (admission.dropped(link) || !Buffer.isBuffer(message)) forget(delivery);
    else events.message(link, delivery, message, originalFormat(format));
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

  connection._process = () => {
    try {
      process();
      events.processed();
    } catch (error) {
      fail(error);
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
    admission.admit(frame);
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
    limit: admission.limit,
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
        process();
      } catch {
        // It failed before, and cannot even say so; its stream is cut next.
      }
    },
  };
}
