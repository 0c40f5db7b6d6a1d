/**
 * Composes AMQP messages (AMQP 1.0 part 3, section 3.2) section by section. Sections must be put in the order of the
 * standard: annotations, properties, application properties, body.
 */
import {
  putBinary,
  putDescriptor,
  putId,
  putList,
  putMap,
  putNull,
  putRaw,
  putString,
  putSymbol,
  putTimestamp,
  type Writer,
} from './write.ts';

/** The fields of the properties section that a hub sets. Ids in uuid form are sent as AMQP uuids when `uuids` is true. */
export type OutgoingProperties = {
  messageId?: string | undefined;
  userId?: string | undefined;
  to?: string | undefined;
  correlationId?: string | undefined;
  /** An encoded value, instead of `correlationId`. */
  rawCorrelationId?: Buffer | undefined;
  contentType?: string | undefined;
  contentEncoding?: string | undefined;
  absoluteExpiryTimeMs?: number | undefined;
  creationTimeMs?: number | undefined;
};

/** One entry of a map: its key, encoded already, and how to write its value. */
export type Entry = readonly [key: Buffer, write: (writer: Writer) => void];

/** Puts a map section; nothing when there are no entries. */
function putEntries(writer: Writer, code: number, entries: readonly Entry[]): void {
  if (entries.length === 0) return;
  putDescriptor(writer, code);
  putMap(writer, entries.length, () => {
    for (const [key, write] of entries) {
      putRaw(writer, key);
      write(writer);
    }
  });
}

export const putDeliveryAnnotations = (writer: Writer, entries: readonly Entry[]): void =>
  putEntries(writer, 0x71, entries);
export const putMessageAnnotations = (writer: Writer, entries: readonly Entry[]): void =>
  putEntries(writer, 0x72, entries);
export const putApplicationEntries = (writer: Writer, entries: readonly Entry[]): void =>
  putEntries(writer, 0x74, entries);

/** Puts application properties that are all strings. */
export function putApplicationProperties(
  writer: Writer,
  properties: Readonly<Record<string, string>>,
  more: readonly Entry[] = [],
): void {
  const names = Object.keys(properties);
  if (names.length + more.length === 0) return;
  putDescriptor(writer, 0x74);
  putMap(writer, names.length + more.length, () => {
    for (const name of names) {
      putString(writer, name);
      putString(writer, properties[name] ?? '');
    }
    for (const [key, write] of more) {
      putRaw(writer, key);
      write(writer);
    }
  });
}

export function putProperties(writer: Writer, properties: OutgoingProperties, uuids = false): void {
  const { correlationId, rawCorrelationId, creationTimeMs, absoluteExpiryTimeMs } = properties;
  const optional = <T>(value: T | undefined, put: (writer: Writer, value: T) => void) =>
    value === undefined ? putNull(writer) : put(writer, value);
  const id = uuids ? putId : putString;
  // Trailing nulls may be left out.
  const count =
    creationTimeMs !== undefined
      ? 10
      : absoluteExpiryTimeMs !== undefined
        ? 9
        : properties.contentType !== undefined || properties.contentEncoding !== undefined
          ? 8
          : 6;
  putDescriptor(writer, 0x73);
  putList(writer, count, () => {
    optional(properties.messageId, id);
    optional(properties.userId, (_, value) => putBinary(writer, Buffer.from(value)));
    optional(properties.to, putString);
    putNull(writer);
    putNull(writer);
    if (rawCorrelationId !== undefined) putRaw(writer, rawCorrelationId);
    else optional(correlationId, id);
    if (count > 6) {
      optional(properties.contentType, putSymbol);
      optional(properties.contentEncoding, putSymbol);
    }
    if (count > 8) optional(absoluteExpiryTimeMs, putTimestamp);
    if (count > 9) optional(creationTimeMs, putTimestamp);
  });
}

export function putData(writer: Writer, body: Buffer): void {
  putDescriptor(writer, 0x75);
  putBinary(writer, body);
}

/** Begins an amqp-value section: its value must be put next. */
export const putValueSection = (writer: Writer): void => putDescriptor(writer, 0x77);
