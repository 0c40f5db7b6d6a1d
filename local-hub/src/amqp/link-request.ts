/** What a peer asks for when it attaches a link, read from rhea's decoded `attach`. */
import type { RheaLink } from './rhea-internals.ts';

export type LinkRequest = {
  /** The link's name. */
  name: string;
  /** Where the peer sends to or receives from; undefined when it names nothing. */
  address: unknown;
  /** The other end's address, chosen by the peer: replies are sent to it by name. */
  peerAddress: unknown;
  /** The text of the selector filter, if there is one. */
  selector: string | undefined;
  properties: Record<string, unknown>;
  desiredCapabilities: readonly string[];
};

const selectorName = 'apache.org:selector-filter:string';

/** Filters are described values; rhea leaves them so. */
function textOf(value: unknown): string | undefined {
  const plain = typeof value === 'object' && value !== null && 'value' in value ? value.value : value;
  return typeof plain === 'string' ? plain : undefined;
}

const asRecord = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Buffer.isBuffer(value) ? { ...value } : {};

export function readRequest(link: RheaLink): LinkRequest {
  // rhea leaves source and target null when the peer did.
  const source = link.source as { address?: unknown; filter?: unknown } | null;
  const target = link.target as { address?: unknown } | null;
  const [own, other] = link.is_receiver() ? [target, source] : [source, target];
  const capabilities: unknown = link.desired_capabilities;
  return {
    name: link.name,
    address: own?.address,
    peerAddress: other?.address,
    selector: textOf(asRecord(source?.filter)[selectorName]),
    properties: asRecord(link.properties),
    desiredCapabilities: (Array.isArray(capabilities) ? capabilities : [capabilities]).filter(
      (capability) => typeof capability === 'string',
    ),
  };
}
