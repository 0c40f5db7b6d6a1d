import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatPropertyBag, parsePropertyBag } from './property-bag.ts';

test('system and application properties are told apart, decoded, and kept in order', () => {
  const bag =
    '%24.mid=m%2F1&%24.cid=c&%24.uid=u&%24.to=t&%24.ct=application%2Fjson&%24.ce=utf-8&%24.ifid=i&%24.sub=thermostat' +
    '&z=1&a=b%20c%26d&iothub-creation-time-utc=2026-01-02T03%3A04%3A05Z';
  const parsed = parsePropertyBag(bag);
  assert.deepEqual(parsed?.system, {
    messageId: 'm/1',
    correlationId: 'c',
    userId: 'u',
    to: 't',
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    interfaceId: 'i',
    componentName: 'thermostat',
    creationTimeUtc: '2026-01-02T03:04:05Z',
  });
  assert.deepEqual(Object.entries(parsed?.properties ?? {}), [
    ['z', '1'],
    ['a', 'b c&d'],
  ]);
});

test('keys that are not encoded, have no value, or come with a leading question mark are understood', () => {
  assert.deepEqual(parsePropertyBag('?$.ct=text&p1&p2=&p3=a=b&&'), {
    system: { contentType: 'text' },
    properties: { p1: '', p2: '', p3: 'a=b' },
  });
  assert.deepEqual(parsePropertyBag(''), { system: {}, properties: {} });
});

test('an unknown system key stays a property, and no key can disturb the object', () => {
  const parsed = parsePropertyBag('%24.new=1&__proto__=2&constructor=3&toString=4');
  assert.deepEqual(Object.entries(parsed?.properties ?? {}), [
    ['$.new', '1'],
    ['__proto__', '2'],
    ['constructor', '3'],
    ['toString', '4'],
  ]);
});

test('malformed URL encoding is reported', () => {
  for (const bag of ['a=%', 'a=%zz', '%E0%A4=1', 'a=%ff']) assert.equal(parsePropertyBag(bag), undefined);
});

test('an expiry is read as a time and an unreadable one is ignored', () => {
  assert.deepEqual(parsePropertyBag('%24.exp=2026-01-01T00%3A00%3A00.000Z')?.system, {
    expiryTimeUtcMs: Date.UTC(2026, 0, 1),
  });
  assert.deepEqual(parsePropertyBag('%24.exp=soon')?.system, {});
});

test('a formatted bag is read back the same, whatever the characters', () => {
  const header = {
    system: { messageId: 'ä/&=?#+ 1', to: '/devices/a b/messages/devicebound', ack: 'full' as const },
    properties: { 'naïve key&': '100% "sure"', empty: '', '': 'no name' },
  };
  const bag = formatPropertyBag(header);
  assert.match(bag, /^%24\.mid=[^/+#]*&%24\.to=%2Fdevices%2Fa%20b%2Fmessages%2Fdevicebound&iothub-ack=full&/);
  assert.deepEqual(parsePropertyBag(bag), {
    system: { messageId: header.system.messageId, to: header.system.to },
    properties: { 'iothub-ack': 'full', ...header.properties },
  });
  assert.equal(formatPropertyBag({ system: {}, properties: {} }), '');
});

test('what a topic cannot hold is left out or replaced, never thrown', () => {
  assert.equal(formatPropertyBag({ system: { expiryTimeUtcMs: 1e300 }, properties: {} }), '');
  assert.equal(formatPropertyBag({ system: {}, properties: { '\uD800': 'a' } }), '%EF%BF%BD=a');
});
