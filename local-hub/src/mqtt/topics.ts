/**
 * The topics that devices publish to and the topic filters that they may subscribe to. IoT Hub is no general broker: anything
 * that is not listed here is refused. "Communicate with an IoT hub using the MQTT protocol".
 */

import { encode } from './property-bag.ts';

/** What a published topic asks for. `requestId` is kept as it was written, because the answer's topic repeats it. */
export type RequestTopic =
  | { kind: 'events'; bag: string }
  | { kind: 'twin-get'; requestId: string }
  | { kind: 'twin-patch'; requestId: string; version?: number }
  | { kind: 'method-response'; requestId: string; status: number }
  | { kind: 'register'; requestId: string }
  | { kind: 'registration-status'; requestId: string; operationId: string }
  | { kind: 'refused'; reason: string };

/** What a topic filter subscribes to. */
export type SubscriptionKind = 'devicebound' | 'twin-responses' | 'desired' | 'methods' | 'registrations';

const devicePrefix = 'devices/';
const eventsPath = '/messages/events';
/** Answers repeat the request id in a topic, which must hold more beside it. */
const maxRequestIdLength = 1_024;
const refused = (reason: string): RequestTopic => ({ kind: 'refused', reason });

/** Whether a segment of a topic names the device, as it is or URL-encoded. */
function names(segment: string, deviceId: string): boolean {
  if (segment === deviceId) return true;
  if (!segment.includes('%')) return false;
  try {
    return decodeURIComponent(segment) === deviceId;
  } catch {
    return false;
  }
}

/** The parameters behind `?` in a request topic; keys are decoded, values stay as they are written. */
function parametersOf(topic: string, from: number): Map<string, string> {
  const parameters = new Map<string, string>();
  const query = topic.startsWith('?', from) ? topic.slice(from + 1) : topic.slice(from);
  for (const pair of query.split('&')) {
    const [key = '', value = ''] = pair.split('=', 2);
    parameters.set(key.replace('%24', '$'), value);
  }
  return parameters;
}

function parseEvents(topic: string, deviceId: string): RequestTopic {
  const idEnd = topic.indexOf('/', devicePrefix.length);
  const segment = topic.slice(devicePrefix.length, idEnd < 0 ? undefined : idEnd);
  if (!names(segment, deviceId)) return refused(`the topic names device ${segment}, not the connected one`);
  if (topic.startsWith('/modules/', idEnd))
    return refused('module identities are not implemented by the local hub');
  if (!topic.startsWith(eventsPath, idEnd)) return refused('devices publish to messages/events/ only');
  const bagStart = idEnd + eventsPath.length;
  if (topic.length === bagStart) return { kind: 'events', bag: '' };
  if (topic[bagStart] !== '/') return refused('devices publish to messages/events/ only');
  const end = topic.length > bagStart + 1 && topic.endsWith('/') ? topic.length - 1 : topic.length;
  return { kind: 'events', bag: topic.slice(bagStart + 1, end) };
}

const requests = [
  '$iothub/twin/GET/',
  '$iothub/twin/PATCH/properties/reported/',
  '$iothub/methods/res/',
  '$dps/registrations/PUT/iotdps-register/',
  '$dps/registrations/GET/iotdps-get-operationstatus/',
] as const;

function parseRequest(topic: string): RequestTopic {
  const prefix = requests.find((known) => topic.startsWith(known));
  if (prefix === undefined) return refused('IoT Hub does not know the topic');
  const isMethod = prefix === '$iothub/methods/res/';
  const query = isMethod ? topic.indexOf('/', prefix.length) + 1 : prefix.length;
  const parameters = parametersOf(topic, query);
  const requestId = parameters.get('$rid');
  if (query === 0 || requestId === undefined || requestId === '') return refused('the topic lacks $rid');
  if (requestId.length > maxRequestIdLength)
    return refused(`$rid has more than ${maxRequestIdLength} characters`);
  switch (prefix) {
    case '$iothub/twin/GET/':
      return { kind: 'twin-get', requestId };
    case '$iothub/twin/PATCH/properties/reported/': {
      const version = Number.parseInt(parameters.get('$version') ?? '', 10);
      return { kind: 'twin-patch', requestId, ...(Number.isNaN(version) ? {} : { version }) };
    }
    case '$iothub/methods/res/': {
      const status = topic.slice(prefix.length, query - 1);
      return /^-?\d{1,9}$/.test(status)
        ? { kind: 'method-response', requestId, status: Number(status) }
        : refused('the status of a method response must be an integer');
    }
    case '$dps/registrations/PUT/iotdps-register/':
      return { kind: 'register', requestId };
    case '$dps/registrations/GET/iotdps-get-operationstatus/':
      return { kind: 'registration-status', requestId, operationId: parameters.get('operationId') ?? '' };
  }
}

/** Says what a published topic asks for. */
export function parseRequestTopic(topic: string, deviceId: string): RequestTopic {
  return topic.startsWith(devicePrefix) ? parseEvents(topic, deviceId) : parseRequest(topic);
}

const filters: Record<string, SubscriptionKind> = {
  '$iothub/twin/res/#': 'twin-responses',
  '$iothub/twin/PATCH/properties/desired/#': 'desired',
  '$iothub/methods/POST/#': 'methods',
  '$dps/registrations/res/#': 'registrations',
};
const deviceboundPath = '/messages/devicebound/#';

/** What a topic filter subscribes to; undefined for a filter that IoT Hub does not know. */
export function parseTopicFilter(filter: string, deviceId: string): SubscriptionKind | undefined {
  if (filter.startsWith(devicePrefix) && filter.endsWith(deviceboundPath)) {
    const segment = filter.slice(devicePrefix.length, -deviceboundPath.length);
    // The embedded SDKs subscribe to `devices/+/messages/devicebound/#`.
    return segment === '+' || names(segment, deviceId) ? 'devicebound' : undefined;
  }
  return Object.hasOwn(filters, filter) ? filters[filter] : undefined;
}

/** Encodes a device id for a topic, as Microsoft's SDKs do: all but letters, digits and `-_.~`. */
function encodeSegment(id: string): string {
  return encodeURIComponent(id).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** The topic of a cloud-to-device message. */
export const deviceboundTopic = (deviceId: string, bag: string): string =>
  `${devicePrefix}${encodeSegment(deviceId)}/messages/devicebound/${bag}`;

/** The topic that answers a twin request. `version` is that of the reported properties after a change. */
export const twinResponseTopic = (status: number, requestId: string, version?: number): string =>
  `$iothub/twin/res/${status}/?$rid=${requestId}${version === undefined ? '' : `&$version=${version}`}`;

/** The topic that tells of changed desired properties. */
export const desiredTopic = (version: number): string =>
  `$iothub/twin/PATCH/properties/desired/?$version=${version}`;

/** The topic that invokes a direct method. */
export const methodTopic = (name: string, requestId: string): string =>
  `$iothub/methods/POST/${encode(name)}/?$rid=${requestId}`;

/** The topic that answers a registration request; `retryAfterSeconds` is present when the device must ask again. */
export const registrationResponseTopic = (
  status: number,
  requestId: string,
  retryAfterSeconds?: number,
): string =>
  `$dps/registrations/res/${status}/?$rid=${requestId}${retryAfterSeconds === undefined ? '' : `&retry-after=${retryAfterSeconds}`}`;
