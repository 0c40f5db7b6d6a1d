/**
 * Reads encoded AMQP messages (AMQP 1.0 part 3, section 3.2). The raw form of the message id is kept, so that a reply
 * can carry it back in the type that the client chose.
 */
import { checkValue, WireError } from './check.ts';
import { type AmqpValue, type Cursor, Described, readValue } from './read.ts';

/** Message format of one message, and of Microsoft's batch: data sections that are messages themselves. */
export const plainFormat = 0;
export const batchFormat = 0x80013700;

export type MessageProperties = {
  /** As text, whatever its type. */
  messageId?: string | undefined;
  /** The encoded message id. */
  rawMessageId?: Buffer | undefined;
  userId?: string | undefined;
  to?: string | undefined;
  subject?: string | undefined;
  replyTo?: string | undefined;
  correlationId?: string | undefined;
  /** The encoded correlation id. */
  rawCorrelationId?: Buffer | undefined;
  contentType?: string | undefined;
  contentEncoding?: string | undefined;
  absoluteExpiryTimeMs?: number | undefined;
  creationTimeMs?: number | undefined;
};

export type AmqpMessage = {
  /** Time to live in ms from the header. */
  ttlMs?: number;
  annotations: Map<string, AmqpValue>;
  properties: MessageProperties;
  applicationProperties: Map<string, AmqpValue>;
  /** The data sections, in order. They share memory with the received bytes. */
  data: Buffer[];
  /** The value section. */
  value?: AmqpValue;
};

/** At most this many sections: a batch has one for each of its messages. */
const maxSections = 1000;

/** An id of any AMQP type as text: uuids in canonical form, numbers in decimal, binary in hexadecimal. */
export function idText(value: AmqpValue | undefined): string | undefined {
  if (value === null || value === undefined) return undefined;
  if (Buffer.isBuffer(value)) return value.toString('hex');
  return String(value);
}

function text(value: AmqpValue | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function timeMs(value: AmqpValue | undefined): number | undefined {
  const time = value instanceof Date ? value.getTime() : Number.NaN;
  return Number.isNaN(time) ? undefined : time;
}

function userText(value: AmqpValue | undefined): string | undefined {
  return Buffer.isBuffer(value) ? value.toString('utf8') : text(value);
}

/** Which fields of the properties section are kept in encoded form. */
const messageIdField = 0;
const correlationIdField = 5;

/** The encoded fields of a checked list that begins at `at`, as far as `last`. */
function rawFields(bytes: Buffer, at: number, end: number, last: number): Buffer[] {
  const code = bytes.readUInt8(at);
  if (code === 0x45) return [];
  const short = code === 0xc0;
  const count = short ? bytes.readUInt8(at + 2) : bytes.readUInt32BE(at + 5);
  const fields: Buffer[] = [];
  let next = at + (short ? 3 : 9);
  for (let i = 0; i < count && i <= last; i += 1) {
    const start = next;
    next = checkValue(bytes, start, end);
    fields.push(bytes.subarray(start, next));
  }
  return fields;
}

function readProperties(fields: AmqpValue[], raw: readonly Buffer[]): MessageProperties {
  return {
    messageId: idText(fields[messageIdField]),
    rawMessageId: raw[messageIdField],
    userId: userText(fields[1]),
    to: text(fields[2]),
    subject: text(fields[3]),
    replyTo: text(fields[4]),
    correlationId: idText(fields[correlationIdField]),
    rawCorrelationId: raw[correlationIdField],
    contentType: text(fields[6]),
    contentEncoding: text(fields[7]),
    absoluteExpiryTimeMs: timeMs(fields[8]),
    creationTimeMs: timeMs(fields[9]),
  };
}

function asMap(value: AmqpValue): Map<string, AmqpValue> {
  const map = new Map<string, AmqpValue>();
  if (value === null) return map;
  if (!(value instanceof Map)) throw new WireError('a message section is not a map');
  for (const [key, item] of value) map.set(String(key), item);
  return map;
}

function asList(value: AmqpValue): AmqpValue[] {
  if (!Array.isArray(value)) throw new WireError('a message section is not a list');
  return value;
}

/** Reads a message. Throws WireError when it is malformed. */
export function readMessage(bytes: Buffer): AmqpMessage {
  const message: AmqpMessage = {
    annotations: new Map(),
    properties: {},
    applicationProperties: new Map(),
    data: [],
  };
  const cursor: Cursor = { bytes, at: 0 };
  for (let sections = 0; cursor.at < bytes.length; sections += 1) {
    if (sections === maxSections) throw new WireError('a message has too many sections');
    const start = cursor.at;
    checkValue(bytes, start, bytes.length);
    const section = readValue(cursor);
    if (!(section instanceof Described)) throw new WireError('a message section has no descriptor');
    switch (section.descriptor) {
      case 0x70:
      case 'amqp:header:list': {
        const ttl = asList(section.value)[2];
        if (typeof ttl === 'number') message.ttlMs = ttl;
        break;
      }
      case 0x71:
      case 'amqp:delivery-annotations:map':
      case 0x78:
      case 'amqp:footer:map':
        break;
      case 0x72:
      case 'amqp:message-annotations:map':
        message.annotations = asMap(section.value);
        break;
      case 0x73:
      case 'amqp:properties:list': {
        const list = checkValue(bytes, start + 1, bytes.length);
        const raw = rawFields(bytes, list, cursor.at, correlationIdField);
        message.properties = readProperties(asList(section.value), raw);
        break;
      }
      case 0x74:
      case 'amqp:application-properties:map':
        message.applicationProperties = asMap(section.value);
        break;
      case 0x75:
      case 'amqp:data:binary':
        if (!Buffer.isBuffer(section.value)) throw new WireError('a data section is not binary');
        message.data.push(section.value);
        break;
      case 0x76:
      case 'amqp:amqp-sequence:list':
        message.value = asList(section.value);
        break;
      case 0x77:
      case 'amqp:amqp-value:*':
      case 'amqp:value:*':
        message.value = section.value;
        break;
      default:
        throw new WireError('a message has a section of an unknown kind');
    }
  }
  return message;
}
