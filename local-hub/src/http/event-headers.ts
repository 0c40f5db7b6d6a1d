/** How a message's properties travel in HTTP headers (REST reference "Send Device Event", "Receive Device Bound Notification"). */
import type { OutgoingHttpHeaders } from 'node:http';
import type { Delivery } from '../engine/cloud-to-device.ts';
import { HubError } from '../engine/error.ts';
import type { SystemProperties } from '../engine/message.ts';

const applicationPrefix = 'iothub-app-';
/** A property of Plug and Play that the SDKs send without prefix. */
const subject = 'dt-subject';

/** Text properties by header name. */
const textHeaders = {
  'iothub-messageid': 'messageId',
  'iothub-correlationid': 'correlationId',
  'iothub-userid': 'userId',
  'iothub-to': 'to',
  'iothub-contenttype': 'contentType',
  'iothub-contentencoding': 'contentEncoding',
  'iothub-creationtimeutc': 'creationTimeUtc',
  'iothub-interface-id': 'interfaceId',
} as const satisfies Record<string, keyof SystemProperties>;

const textHeaderNames = new Map(Object.entries(textHeaders));

const headerName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const printableAscii = /^[\x20-\x7e]*$/;

export type EventProperties = { system: SystemProperties; properties: Record<string, string> };

/** Reads properties from headers, given as names and values in turns; what is not about the message is ignored. */
export function readProperties(rawHeaders: readonly string[]): EventProperties {
  const system: SystemProperties = {};
  const properties: Record<string, string> = {};
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? '';
    const value = rawHeaders[index + 1] ?? '';
    const lower = name.toLowerCase();
    const field = textHeaderNames.get(lower);
    if (field !== undefined) system[field] = value;
    else if (lower === 'iothub-expiry') system.expiryTimeUtcMs = expiry(value);
    else if (lower.startsWith(applicationPrefix)) properties[name.slice(applicationPrefix.length)] = value;
    else if (lower === subject) properties[subject] = value;
  }
  return { system, properties };
}

function expiry(value: string): number {
  const time = Date.parse(value);
  if (Number.isFinite(time)) return time;
  throw new HubError('ArgumentInvalid', 'iothub-expiry is not a time');
}

/** A header value may only be printable ASCII; anything else is sent URL-encoded. */
function asValue(text: string): string {
  return printableAscii.test(text) ? text : encodeURIComponent(text);
}

/** The headers of a cloud-to-device message, its lock token being the ETag. */
export function deliveryHeaders(delivery: Delivery): OutgoingHttpHeaders {
  const { system, properties } = delivery.message;
  const headers: OutgoingHttpHeaders = {
    ETag: `"${delivery.lockToken}"`,
    'iothub-sequencenumber': String(delivery.sequence),
    'iothub-enqueuedtime': new Date(delivery.enqueuedTimeMs).toUTCString(),
    'iothub-deliverycount': String(delivery.deliveryCount),
    'iothub-expiry': new Date(delivery.expiryTimeMs).toUTCString(),
    'iothub-ack': system.ack ?? 'none',
  };
  for (const [name, field] of textHeaderNames) {
    const value = system[field];
    if (value !== undefined) headers[name] = asValue(value);
  }
  for (const [name, value] of Object.entries(properties)) {
    headers[`${applicationPrefix}${headerName.test(name) ? name : encodeURIComponent(name)}`] =
      asValue(value);
  }
  return headers;
}
