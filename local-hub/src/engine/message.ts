/** A message as every protocol and the store see it, in either direction. */

/** Which final states of a cloud-to-device message its sender wants feedback about. */
export type Ack = 'none' | 'positive' | 'negative' | 'full';

/** System properties under IoT Hub's own names. Absent means that the sender did not set it. */
export type SystemProperties = {
  messageId?: string;
  correlationId?: string;
  userId?: string;
  to?: string;
  contentType?: string;
  contentEncoding?: string;
  /** As the device wrote it, ISO 8601. */
  creationTimeUtc?: string;
  /** When an undelivered cloud-to-device message dies, ms since 1970. */
  expiryTimeUtcMs?: number;
  ack?: Ack;
  outputName?: string;
  interfaceId?: string;
  componentName?: string;
  creationTimeMs?: number;
};

export type HubMessage = {
  body: Buffer;
  system: SystemProperties;
  /** Application properties, in the order in which the sender wrote them. */
  properties: Record<string, string>;
};

/** Everything of a message but its body: what is stored as JSON beside it. */
export type MessageHeader = Omit<HubMessage, 'body'>;

/**
 * The size that IoT Hub's limits and its meter count: body, values of the system properties, names and values of the
 * application properties, in UTF-8 bytes (iot-hub-devguide-messages-construct, "message size").
 */
export function meteredBytes(message: HubMessage): number {
  let bytes = message.body.length;
  for (const value of Object.values(message.system)) {
    bytes += typeof value === 'string' ? Buffer.byteLength(value) : 8;
  }
  for (const name in message.properties) {
    bytes += Buffer.byteLength(name) + Buffer.byteLength(message.properties[name] ?? '');
  }
  return bytes;
}

/**
 * The message with a body that may be kept: a body that is a small part of a larger buffer (a socket's chunk) is copied,
 * because keeping it would keep the whole of that buffer.
 */
export function detached(message: HubMessage): HubMessage {
  const { body } = message;
  const wasteful = body.buffer.byteLength > 2 * body.length + 8_192;
  return wasteful ? { ...message, body: Buffer.from(body) } : message;
}
