/** What the nodes of a connection work with. */
import type { Log } from '../diagnostics.ts';
import type { Clock } from '../engine/clock.ts';
import type { Engine } from '../engine/engine.ts';
import type { LinkProtocol } from '../engine/presence.ts';
import type { Claims } from './claims.ts';
import type { DeviceSessions } from './device-sessions.ts';
import type { InboundHandler, InboundLink } from './inbound-link.ts';
import type { LinkRequest } from './link-request.ts';
import type { OutboundHandler, OutboundLink } from './outbound-link.ts';
import type { PartitionReaders } from './partition-readers.ts';
import type { ReplyLinks } from './reply-links.ts';
import type { AmqpSettings } from './settings.ts';

/** The same for all connections. */
export type HubContext = {
  readonly engine: Engine;
  readonly log: Log;
  readonly clock: Clock;
  readonly settings: AmqpSettings;
  /** The name of the Event Hubs compatible endpoint. */
  readonly eventHubName: string;
  /** In lower case, `$default` included. */
  readonly consumerGroups: ReadonlySet<string>;
  readonly readers: PartitionReaders;
};

/** Of one connection. */
export type NodeContext = HubContext & {
  readonly claims: Claims;
  readonly devices: DeviceSessions;
  readonly replies: ReplyLinks;
  readonly protocol: LinkProtocol;
  readonly remote: string;
  /** Reports what the hub did not expect of itself; the connection is closed. */
  readonly onBug: (error: unknown) => void;
};

/** Opens a link on which the peer sends. Throws HubError or AmqpRefusal to refuse it. */
export type OpenInbound = (link: InboundLink, request: LinkRequest, context: NodeContext) => InboundHandler;
/** Opens a link on which the peer receives. Throws HubError or AmqpRefusal to refuse it. */
export type OpenOutbound = (
  link: OutboundLink,
  request: LinkRequest,
  context: NodeContext,
) => OutboundHandler;
