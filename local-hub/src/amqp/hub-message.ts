/** Messages of the hub from and to AMQP (devguide "Create and read IoT Hub messages", AMQP property names). */
import type { Delivery } from '../engine/cloud-to-device.ts';
import { HubError } from '../engine/error.ts';
import type { Ack, HubMessage, SystemProperties } from '../engine/message.ts';
import {
  type Entry,
  putApplicationProperties,
  putData,
  putMessageAnnotations,
  putProperties,
} from './wire/compose.ts';
import type { AmqpMessage } from './wire/message.ts';
import type { AmqpValue } from './wire/read.ts';
import { createWriter, putInt, putLong, putString, putSymbol, putTimestamp, written } from './wire/write.ts';

const acks = ['none', 'positive', 'negative', 'full'] as const satisfies Ack[];

/** An encoded key of an annotations map. */
export function annotationKey(name: string): Buffer {
  const writer = createWriter(64);
  putSymbol(writer, name);
  return written(writer);
}

/** An encoded key of an application properties map. */
export function propertyKey(name: string): Buffer {
  const writer = createWriter(64);
  putString(writer, name);
  return written(writer);
}

/** Properties of any AMQP type become text, as the hub hands them on to every protocol. */
function propertyText(value: AmqpValue): string {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? '' : value.toISOString();
  if (Buffer.isBuffer(value)) return value.toString('base64');
  if (value === null) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** The body: data sections joined, or a value section that is text or binary, as some SDKs send it. */
export function bodyOf(message: AmqpMessage): Buffer {
  const [only] = message.data;
  if (only !== undefined) return message.data.length === 1 ? only : Buffer.concat(message.data);
  if (Buffer.isBuffer(message.value)) return message.value;
  return typeof message.value === 'string' ? Buffer.from(message.value) : Buffer.alloc(0);
}

function readSystem(message: AmqpMessage): SystemProperties {
  const { properties } = message;
  const system: SystemProperties = {};
  if (properties.messageId !== undefined) system.messageId = properties.messageId;
  if (properties.correlationId !== undefined) system.correlationId = properties.correlationId;
  if (properties.userId !== undefined) system.userId = properties.userId;
  if (properties.to !== undefined) system.to = properties.to;
  if (properties.contentType !== undefined) system.contentType = properties.contentType;
  if (properties.contentEncoding !== undefined) system.contentEncoding = properties.contentEncoding;
  if (properties.creationTimeMs !== undefined) system.creationTimeMs = properties.creationTimeMs;
  if (properties.absoluteExpiryTimeMs !== undefined) system.expiryTimeUtcMs = properties.absoluteExpiryTimeMs;
  return system;
}

function readProperties(
  message: AmqpMessage,
  take: (name: string, value: string) => boolean,
): Record<string, string> {
  const properties: Record<string, string> = {};
  for (const [name, value] of message.applicationProperties) {
    const text = propertyText(value);
    // Defined rather than assigned: the name may be `__proto__`.
    if (!take(name, text))
      Object.defineProperty(properties, name, {
        value: text,
        configurable: true,
        enumerable: true,
        writable: true,
      });
  }
  return properties;
}

/** A cloud-to-device message from a service. Throws HubError `ArgumentInvalid` for an unknown `iothub-ack`. */
export function readCommand(message: AmqpMessage, nowMs: number): HubMessage {
  const system = readSystem(message);
  if (system.expiryTimeUtcMs === undefined && message.ttlMs !== undefined)
    system.expiryTimeUtcMs = nowMs + message.ttlMs;
  const properties = readProperties(message, (name, value) => {
    if (name !== 'iothub-ack') return false;
    const ack = acks.find((known) => known === value.toLowerCase());
    if (ack === undefined)
      throw new HubError('ArgumentInvalid', `iothub-ack is none, positive, negative or full, not "${value}"`);
    system.ack = ack;
    return true;
  });
  return { body: bodyOf(message), system, properties };
}

/** A device-to-cloud message. */
export function readEvent(message: AmqpMessage): HubMessage {
  const system = readSystem(message);
  const interfaceId = message.annotations.get('iothub-interface-id');
  const componentName = message.annotations.get('dt-subject');
  if (typeof interfaceId === 'string') system.interfaceId = interfaceId;
  if (typeof componentName === 'string') system.componentName = componentName;
  const properties = readProperties(message, (name, value) => {
    if (name === 'iothub-outputname') system.outputName = value;
    else if (name === 'iothub-creation-time-utc') system.creationTimeUtc = value;
    else return false;
    return true;
  });
  return { body: bodyOf(message), system, properties };
}

const keys = {
  sequence: annotationKey('iothub-sequencenumber'),
  enqueued: annotationKey('iothub-enqueuedtime'),
  deliveryCount: annotationKey('iothub-deliverycount'),
  lockToken: annotationKey('iothub-messagelocktoken'),
};
const ackKey = propertyKey('iothub-ack');

/** Encodes a cloud-to-device message for its device. */
export function writeCommand(deviceId: string, delivery: Delivery): Buffer {
  const { message, sequence, enqueuedTimeMs, deliveryCount, lockToken, expiryTimeMs } = delivery;
  const { system } = message;
  const writer = createWriter(message.body.length + 1024);
  putMessageAnnotations(writer, [
    [keys.sequence, (w) => putLong(w, sequence)],
    [keys.enqueued, (w) => putTimestamp(w, enqueuedTimeMs)],
    [keys.deliveryCount, (w) => putInt(w, deliveryCount)],
    [keys.lockToken, (w) => putString(w, lockToken)],
  ]);
  putProperties(writer, {
    messageId: system.messageId,
    userId: system.userId,
    to: `/devices/${encodeURIComponent(deviceId)}/messages/devicebound`,
    correlationId: system.correlationId,
    contentType: system.contentType,
    contentEncoding: system.contentEncoding,
    absoluteExpiryTimeMs: expiryTimeMs,
    creationTimeMs: system.creationTimeMs,
  });
  const ack: Entry[] = system.ack === undefined ? [] : [[ackKey, (w) => putString(w, system.ack ?? 'none')]];
  putApplicationProperties(writer, message.properties, ack);
  putData(writer, message.body);
  return written(writer);
}
