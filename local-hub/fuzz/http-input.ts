/** HTTP requests as the SDKs send them, then damaged: requests that two parsers would read differently, bad bodies, bad bytes. */
import type { Knowledge } from './input.ts';
import { damage } from './mutations.ts';
import type { Random } from './random.ts';

const version = 'api-version=2021-04-12';
const bodies = [
  '',
  '{}',
  '[]',
  'null',
  '{',
  '{"deviceId":1}',
  '[{"id":"x","importMode":"create"}]',
  `${'['.repeat(5_000)}`,
  '{"query":"SELECT * FROM devices WHERE (("}',
  '{"methodName":"m","payload":null,"responseTimeoutInSeconds":-1}',
  '{"properties":{"desired":{"a":{"b":null}}},"tags":{"__proto__":{}}}',
];
const methods = ['GET', 'PUT', 'POST', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'TRACE', 'CONNECT', 'BREW'];

function pathOf(random: Random, deviceId: string): string {
  return random.pick([
    `/devices/${deviceId}?${version}`,
    `/devices?${version}&top=${random.pick(['1', '-1', '1e9', 'x'])}`,
    `/devices/query?${version}`,
    `/twins/${deviceId}?${version}`,
    `/twins/${deviceId}/methods?${version}`,
    `/statistics/devices?${version}`,
    `/devices/${deviceId}/messages/events?${version}`,
    `/devices/${deviceId}/messages/devicebound?${version}`,
    `/devices/${deviceId}/messages/devicebound/x/abandon?${version}`,
    `/devices/${deviceId}/commands?${version}`,
    `/devices/${deviceId}/files?${version}`,
    `/devices/${deviceId}/files/notifications?${version}`,
    `/jobs/v2/x?${version}`,
    '/devices/%zz',
    '/devices/%00',
    '//devices//',
    '/../../etc/passwd',
    `/${'a'.repeat(random.pick([10, 9_000]))}`,
    'http://elsewhere/devices',
    '*',
  ]);
}

/** Ways to state the length of a body, many of them contradictory: what request smuggling is made of (RFC 9112 §11.2). */
function framing(random: Random, body: string): { headers: string[]; body: string } {
  const bytes = Buffer.byteLength(body);
  const chunked = `${bytes.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
  return random.pick([
    { headers: [`Content-Length: ${bytes}`], body },
    { headers: [`Content-Length: ${bytes}`], body },
    { headers: ['Transfer-Encoding: chunked'], body: chunked },
    { headers: [`Content-Length: ${bytes}`, 'Transfer-Encoding: chunked'], body: chunked },
    { headers: [`Content-Length: ${bytes}`, `Content-Length: ${bytes + 5}`], body },
    { headers: ['Transfer-Encoding : chunked'], body: chunked },
    { headers: ['Transfer-Encoding: identity, chunked'], body: chunked },
    { headers: ['Transfer-Encoding: chunked'], body: `fffffffffffffff1\r\n${body}` },
    { headers: ['Transfer-Encoding: chunked'], body: `-1\r\n${body}\r\n0\r\n\r\n` },
    { headers: ['Content-Length: 99999999999'], body },
    { headers: ['Content-Length: -1'], body },
    { headers: [' folded: yes', `Content-Length: ${bytes}`], body },
    { headers: ['Expect: 100-continue', 'Content-Length: 5'], body },
  ]);
}

function request(random: Random, knowledge: Knowledge): string {
  const device = random.pick(knowledge.devices);
  const { headers, body } = framing(random, random.pick(bodies));
  const token = random.chance(0.7) ? knowledge.ownerToken : device.token;
  const lines = [
    `${random.pick(methods)} ${pathOf(random, device.deviceId)} HTTP/${random.pick(['1.1', '1.1', '1.1', '1.0', '2.0', '9'])}`,
    `Host: ${knowledge.hostName}`,
    ...(random.chance(0.8) ? [`Authorization: ${token}`] : []),
    ...(random.chance(0.3) ? [`If-Match: ${random.pick(['"*"', '*', '""', 'x'])}`] : []),
    ...(random.chance(0.5) ? ['Content-Type: application/json; charset=utf-8'] : []),
    ...(random.chance(0.05) ? Array.from({ length: 500 }, (_, n) => `x-${n}: y`) : []),
    ...(random.chance(0.05) ? [`x-long: ${'z'.repeat(20_000)}`] : []),
    ...headers,
  ];
  return `${lines.join(random.chance(0.95) ? '\r\n' : '\n')}\r\n\r\n${body}`;
}

/** What one HTTP client sends: one to three requests without waiting for the answers. */
export function httpBytes(random: Random, knowledge: Knowledge): Buffer {
  const requests = Array.from({ length: 1 + random.below(3) }, () => request(random, knowledge));
  const bytes = Buffer.from(requests.join(''));
  if (random.chance(0.6)) return bytes;
  return Buffer.concat([bytes.subarray(0, 1), damage(random, bytes.subarray(1), random.bytes(64))]);
}
