/**
 * One AMQP connection: a transport, rhea on top of it, and the links with their nodes. Whatever goes wrong in it ends this
 * connection alone, with one line in the log.
 */
import type { Duplex } from 'node:stream';
import type { Container } from 'rhea';
import { isHubError } from '../engine/error.ts';
import type { ClientCertificate } from '../engine/x509-trust.ts';
import { createClaims } from './claims.ts';
import { createDeviceSessions } from './device-sessions.ts';
import { type AmqpError, AmqpRefusal, closingError, toAmqpError } from './errors.ts';
import { createInboundLink, type InboundLink } from './inbound-link.ts';
import { readRequest } from './link-request.ts';
import type { HubContext, NodeContext } from './node-context.ts';
import { routeInbound, routeOutbound } from './nodes/route.ts';
import { createOutboundLink, type OutboundLink } from './outbound-link.ts';
import { createOutbox } from './outbox.ts';
import { createReplyLinks } from './reply-links.ts';
import { runRhea } from './rhea-host.ts';
import type { RheaLink, RheaSession } from './rhea-internals.ts';
import { readPlain, type SaslInit } from './sasl.ts';
import { createSettlement, type Settle } from './settlement.ts';
import { createTransport } from './transport.ts';
import { WireError } from './wire/check.ts';

/** What the listener knows about a connection. */
export type ConnectionInfo = {
  /** Address and port of the peer. */
  remote: string;
  websocket: boolean;
  clientCertificate?: ClientCertificate | undefined;
};

export type AmqpConnection = {
  /** Called about once a second: deadlines, and links whose token expired. */
  sweep(nowMs: number): void;
  /** Says goodbye and lets the peer answer; the sweep cuts it when it does not. */
  close(error: AmqpError): void;
  destroy(): void;
};

export type AmqpConnectionOptions = {
  hub: HubContext;
  container: Container;
  stream: Duplex;
  info: ConnectionInfo;
  /** The connection is gone. Called once. */
  onClosed(): void;
};

type State = { kind: 'open' } | { kind: 'closing'; sinceMs: number } | { kind: 'closed' };

/** The order is that in which most clients choose. */
const mechanisms = ['MSSBCBS', 'PLAIN', 'ANONYMOUS'];
/** Offered only to clients that presented a certificate. */
const certificateMechanism = 'EXTERNAL';

const expiredToken: AmqpError = {
  condition: 'amqp:unauthorized-access',
  description: 'The token for this link expired. Put a new one to $cbs before.',
};
const nobody: AmqpError = {
  condition: 'amqp:unauthorized-access',
  description: 'The connection did not authenticate, or did not renew its token, in time.',
};

export function createAmqpConnection(options: AmqpConnectionOptions): AmqpConnection {
  const { hub, info } = options;
  const { engine, clock, log, settings } = hub;
  const { remote, clientCertificate } = info;
  const protocol = info.websocket ? 'amqp-ws' : 'amqp';
  const links = new Map<RheaLink, InboundLink | OutboundLink>();
  const settlements = new WeakMap<RheaSession, Settle>();
  let state: State = { kind: 'open' };
  /** When the peer was last known to be somebody. */
  let authenticMs = clock.now();

  const claims = createClaims({
    engine,
    now: clock.now,
    via: { protocol, remote },
    clientCertificate,
    maxGrants: settings.maxLinks,
  });
  const outbox = createOutbox(fail);
  const devices = createDeviceSessions({
    presence: engine.presence,
    protocol,
    remote,
    isOpen: () => state.kind === 'open',
    cut: () => transport.destroy(),
    onError: fail,
  });
  const context: NodeContext = {
    ...hub,
    claims,
    devices,
    replies: createReplyLinks(),
    protocol,
    remote,
    onBug: fail,
  };

  /** Ends the connection because of something that cannot be gone on with. */
  function fail(error: unknown): void {
    if (state.kind !== 'open') return;
    state = { kind: 'closing', sinceMs: clock.now() };
    const expected = error instanceof WireError || error instanceof AmqpRefusal || isHubError(error);
    const reason = error instanceof Error ? error.message : String(error);
    log.warn({
      what: `AMQP connection from ${remote} closed`,
      reason: expected ? reason : `rhea or the hub could not go on: ${reason}`,
    });
    host.abort(
      error instanceof WireError
        ? { condition: 'amqp:connection:framing-error', description: reason }
        : toAmqpError(error),
    );
    transport.end();
  }

  function authenticate({ mechanism, response }: SaslInit): boolean {
    switch (mechanism) {
      case 'ANONYMOUS':
      case 'MSSBCBS':
        return true;
      case certificateMechanism:
        return clientCertificate !== undefined;
      case 'PLAIN': {
        const credentials = readPlain(response);
        try {
          if (credentials) claims.putPlain(credentials);
        } catch (error) {
          if (isHubError(error)) return false;
          throw error;
        }
        return credentials !== undefined;
      }
      default:
        return false;
    }
  }

  function settlementOf(session: RheaSession): Settle {
    let settle = settlements.get(session);
    if (settle === undefined) {
      settle = createSettlement();
      settlements.set(session, settle);
    }
    return settle;
  }

  function openLink(link: RheaLink): InboundLink | OutboundLink {
    const request = readRequest(link);
    if (link.is_receiver()) {
      const open = routeInbound(request.address);
      const inbound = createInboundLink(link, settlementOf(link.session), (self) =>
        open(self, request, context),
      );
      host.limit(link, inbound.handler.maxMessageBytes);
      return inbound;
    }
    const open = routeOutbound(request.address);
    return createOutboundLink(
      {
        link,
        maxFrameBytes: () => host.peerMaxFrameBytes,
        blocked: () => transport.blocked,
        schedule: outbox.schedule,
      },
      (self) => open(self, request, context),
    );
  }

  function attach(link: RheaLink): void {
    try {
      links.set(link, openLink(link));
      host.confirm(link);
    } catch (error) {
      const refusal = error instanceof AmqpRefusal || isHubError(error) ? error : undefined;
      if (refusal === undefined) throw error;
      log.warn({
        what: `AMQP link to "${String(readRequest(link).address).slice(0, 200)}" refused`,
        reason: refusal.message,
      });
      link.close(toAmqpError(refusal));
    }
  }

  function forget(link: RheaLink): void {
    const known = links.get(link);
    if (known === undefined) return;
    links.delete(link);
    if (known.kind === 'outbound') outbox.forget(known);
    known.gone();
  }

  function onClose(): void {
    if (state.kind === 'closed') return;
    state = { kind: 'closed' };
    for (const link of [...links.keys()]) forget(link);
    options.onClosed();
  }

  const transport = createTransport({
    stream: options.stream,
    remote,
    maxFrameBytes: settings.maxFrameBytes,
    maxBacklogBytes: settings.maxBacklogBytes,
    mechanisms: clientCertificate === undefined ? mechanisms : [...mechanisms, certificateMechanism],
    authenticate,
    onMalformed: fail,
    onDrain: outbox.unblocked,
    onClose,
  });
  const host = runRhea(options.container, transport.socket, settings, {
    attached: attach,
    detached: forget,
    message(link, delivery, bytes, format) {
      const known = links.get(link);
      if (known?.kind === 'inbound') known.deliver(delivery, bytes, format);
    },
    overrun(link, error) {
      const known = links.get(link);
      if (known === undefined) return;
      log.warn({ what: `AMQP link from ${remote} closed`, reason: error.description });
      known.close(error);
    },
    outcome(link, delivery, outcome) {
      const known = links.get(link);
      if (known?.kind === 'outbound') known.outcome(delivery, outcome);
    },
    credit(link, drain) {
      const known = links.get(link);
      if (known?.kind === 'outbound') known.credit(drain);
    },
    processed: outbox.unblocked,
    failed: fail,
  });

  function close(error: AmqpError): void {
    if (state.kind !== 'open') return;
    state = { kind: 'closing', sinceMs: clock.now() };
    host.close(error);
    // Without an `open` there is nothing that a `close` could answer.
    if (!host.opened) transport.end();
  }

  return {
    sweep(nowMs) {
      if (state.kind === 'closed') return;
      if (state.kind === 'closing') {
        if (nowMs - state.sinceMs >= settings.lingerMs) transport.destroy();
        return;
      }
      if (host.opened && claims.any) authenticMs = nowMs;
      else if (nowMs - authenticMs >= settings.authenticationMs) {
        log.warn({
          what: `AMQP connection from ${remote} closed`,
          reason: 'it did not authenticate, or did not renew its token, in time',
        });
        close(nobody);
        return;
      }
      for (const link of links.values()) if (!link.handler.allowed()) link.close(expiredToken);
    },
    close,
    destroy: transport.destroy,
  };
}

/** What a connection is told when the hub stops. */
export const shutdown: AmqpError = closingError('shutdown');
