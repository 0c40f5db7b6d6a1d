/**
 * The property bag that ends IoT Hub's message topics: URL-encoded `key=value` pairs joined by `&`, in which keys that begin
 * with `$.` are system properties. "Communicate with an IoT hub using the MQTT protocol", Sending device-to-cloud messages.
 */
import type { MessageHeader, SystemProperties } from '../engine/message.ts';

type TextProperty = {
  [K in keyof SystemProperties]-?: string extends SystemProperties[K] ? K : never;
}[keyof SystemProperties];

/** The system properties that are plain text, by their key in the bag, in the order in which IoT Hub writes them. */
const textProperties = {
  '$.mid': 'messageId',
  '$.cid': 'correlationId',
  '$.uid': 'userId',
  '$.to': 'to',
  '$.ct': 'contentType',
  '$.ce': 'contentEncoding',
  '$.on': 'outputName',
  '$.ifid': 'interfaceId',
  '$.sub': 'componentName',
  '$.ctime': 'creationTimeUtc',
} as const satisfies Record<`$.${string}`, TextProperty>;

/** The application property by which devices state when a message was made; IoT Hub turns it into a system property. */
const creationTimeProperty = 'iothub-creation-time-utc';
const acknowledgementProperty = 'iothub-ack';

/** Adds a property whatever its name: an assignment to `__proto__` would be lost. */
function define(properties: Record<string, string>, name: string, value: string): void {
  if (name === '__proto__')
    Object.defineProperty(properties, name, { value, enumerable: true, configurable: true, writable: true });
  else properties[name] = value;
}

function isTextKey(key: string): key is keyof typeof textProperties {
  return Object.hasOwn(textProperties, key);
}

/**
 * Parses the bag of a device-to-cloud message. A key without `=` has the empty value; of a repeated key the last value counts;
 * an unknown `$.` key stays an application property. Returns undefined when the URL encoding is malformed.
 */
export function parsePropertyBag(bag: string): MessageHeader | undefined {
  const system: SystemProperties = {};
  const properties: Record<string, string> = {};
  const text = bag.startsWith('?') ? bag.slice(1) : bag;
  if (text === '') return { system, properties };
  try {
    for (const pair of text.split('&')) {
      if (pair === '') continue;
      const equals = pair.indexOf('=');
      const key = decodeURIComponent(equals < 0 ? pair : pair.slice(0, equals));
      const value = equals < 0 ? '' : decodeURIComponent(pair.slice(equals + 1));
      if (isTextKey(key)) system[textProperties[key]] = value;
      else if (key === creationTimeProperty) system.creationTimeUtc = value;
      else if (key === '$.exp') {
        const expiryMs = Date.parse(value);
        if (!Number.isNaN(expiryMs)) system.expiryTimeUtcMs = expiryMs;
      } else define(properties, key, value);
    }
  } catch {
    return undefined;
  }
  return { system, properties };
}

/** URL-encodes whatever it is given: half a surrogate pair, which JSON may hold, becomes U+FFFD. */
export const encode = (text: string): string => encodeURIComponent(text.toWellFormed());

/** The latest time that a date can hold (ECMA-262 §21.4.1.1). */
const maxTimeMs = 8.64e15;

/** Formats the bag of a cloud-to-device message: system properties first, then `iothub-ack`, then application properties. */
export function formatPropertyBag({ system, properties }: MessageHeader): string {
  let bag = '';
  const add = (key: string, value: string): void => {
    bag += `${bag === '' ? '' : '&'}${encode(key)}=${encode(value)}`;
  };
  for (const [key, name] of Object.entries(textProperties)) {
    const value = system[name];
    if (value !== undefined) add(key, value);
  }
  const { expiryTimeUtcMs, ack } = system;
  if (expiryTimeUtcMs !== undefined && Math.abs(expiryTimeUtcMs) <= maxTimeMs)
    add('$.exp', new Date(expiryTimeUtcMs).toISOString());
  if (ack !== undefined) add(acknowledgementProperty, ack);
  for (const name of Object.keys(properties)) add(name, properties[name] ?? '');
  return bag;
}
