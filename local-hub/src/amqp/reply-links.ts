/**
 * Where replies go: AMQP request and reply are two links, which name each other by the reply-to address, by the name of the
 * link, or by IoT Hub's channel correlation id. Clients use any of them, so that the last link of the group serves when none fits.
 */
import type { LinkRequest } from './link-request.ts';
import type { OutboundLink } from './outbound-link.ts';

/** Links for the same purpose on one connection: `cbs`, `management`, `twin/{device}`, `methods/{device}`. */
export type ReplyLinks = {
  add(group: string, request: LinkRequest, link: OutboundLink): void;
  remove(link: OutboundLink): void;
  /** `name` is what the request says about where its reply should go. */
  find(group: string, name: string | undefined): OutboundLink | undefined;
  /**
   * Sends a reply. `onLeft` is called once when it waits no longer; whoever settles requests only then bounds how many
   * replies wait for credit.
   */
  send(group: string, name: string | undefined, payload: Buffer, onLeft: () => void): void;
};

const channelProperty = 'com.microsoft:channel-correlation-id';

/** IoT Hub's own name for a pair of links, such as `twin:{uuid}`. */
export function channelOf(request: LinkRequest): string | undefined {
  const channel = request.properties[channelProperty];
  return typeof channel === 'string' ? channel : undefined;
}

export function createReplyLinks(): ReplyLinks {
  const entries = new Map<OutboundLink, { group: string; names: ReadonlySet<unknown> }>();

  function find(group: string, name: string | undefined): OutboundLink | undefined {
    let last: OutboundLink | undefined;
    for (const [link, entry] of entries) {
      if (entry.group !== group) continue;
      if (name !== undefined && entry.names.has(name)) return link;
      last = link;
    }
    return last;
  }

  return {
    add(group, request, link) {
      const names = new Set([request.name, request.peerAddress, channelOf(request)]);
      names.delete(undefined);
      entries.set(link, { group, names });
    },
    remove(link) {
      entries.delete(link);
    },
    find,
    send(group, name, payload, onLeft) {
      const sent = find(group, name)?.push({ payload, onLeft });
      if (sent !== true) onLeft();
    },
  };
}
