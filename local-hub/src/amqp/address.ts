/** The addresses of the hub's AMQP nodes (devguide "Understand IoT Hub endpoints", Event Hubs AMQP protocol guide). */

export type DeviceNode = 'events' | 'commands' | 'methods' | 'twin';

export type Address =
  | { kind: 'cbs' }
  | { kind: 'management' }
  /** Where services send cloud-to-device messages. */
  | { kind: 'commands' }
  | { kind: 'feedback' }
  | { kind: 'fileNotifications' }
  | { kind: 'partition'; entity: string; consumerGroup: string; partition: string }
  /** The event hub itself or one of its partitions, without a consumer group: where Event Hubs producers send. */
  | { kind: 'eventHub'; entity: string }
  | { kind: 'device'; deviceId: string; node: DeviceNode };

const deviceNodes: Record<string, DeviceNode> = {
  'messages/events': 'events',
  'messages/devicebound': 'commands',
  'methods/devicebound': 'methods',
  twin: 'twin',
};

const fixed: Record<string, Address> = {
  $cbs: { kind: 'cbs' },
  $management: { kind: 'management' },
  'messages/devicebound': { kind: 'commands' },
  'messages/servicebound/feedback': { kind: 'feedback' },
  'messages/servicebound/filenotifications': { kind: 'fileNotifications' },
};

const maxAddressLength = 1_024;
const devicePattern = /^devices\/([^/]+)\/(.+)$/i;
const partitionPattern = /^(.+)\/consumergroups\/([^/]+)\/partitions\/([^/]+)$/i;
const eventHubPattern = /^(.+?)(?:\/partitions\/[^/]+)?$/i;

/** Decodes `%xx`; undefined when malformed. */
export function decodePart(text: string): string | undefined {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** Without scheme, host and leading slash: some SDKs send whole URLs as addresses. */
export function pathOf(address: string): string {
  return address.replace(/^[a-z]+:\/\/[^/]*/i, '').replace(/^\//, '');
}

/** Reads the address of a link's target (peer sends) or source (peer receives); undefined when there is no such node. */
export function parseAddress(text: unknown): Address | undefined {
  if (typeof text !== 'string' || text === '' || text.length > maxAddressLength) return undefined;
  const path = pathOf(text);
  const node = fixed[path.toLowerCase()];
  if (node && Object.hasOwn(fixed, path.toLowerCase())) return node;
  const device = devicePattern.exec(path);
  if (device) {
    const deviceId = decodePart(device[1] ?? '');
    const rest = device[2]?.toLowerCase() ?? '';
    const deviceNode = Object.hasOwn(deviceNodes, rest) ? deviceNodes[rest] : undefined;
    return deviceId === undefined || deviceNode === undefined
      ? undefined
      : { kind: 'device', deviceId, node: deviceNode };
  }
  const partition = partitionPattern.exec(path);
  if (partition) {
    const [, entity = '', consumerGroup = '', id = ''] = partition;
    return { kind: 'partition', entity, consumerGroup, partition: id };
  }
  if (/\/\$management$/i.test(path)) return { kind: 'management' };
  const eventHub = eventHubPattern.exec(path);
  return eventHub?.[1] === undefined || path.startsWith('$')
    ? undefined
    : { kind: 'eventHub', entity: eventHub[1] };
}

const recipientPattern = /^\/?devices\/([^/]+)\/messages\/devicebound$/i;

/** The device in the `to` field of a cloud-to-device message; undefined when it names none. */
export function parseRecipient(to: string | undefined): string | undefined {
  if (to === undefined || to.length > maxAddressLength) return undefined;
  const deviceId = recipientPattern.exec(to)?.[1];
  return deviceId === undefined ? undefined : decodePart(deviceId);
}
