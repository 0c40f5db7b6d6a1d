import assert from 'node:assert/strict';
import { test } from 'node:test';
import rhea from 'rhea';
import { readCommand, readEvent, writeCommand } from './hub-message.ts';
import { readMessage } from './wire/message.ts';

const { types } = rhea;

test('properties of every type become text, whatever their names are', () => {
  const { properties } = readEvent(
    readMessage(
      rhea.message.encode({
        application_properties: Object.fromEntries([
          ['text', 'ü'],
          ['number', 1.5],
          ['large', types.wrap_long(Buffer.from('7fffffffffffffff', 'hex'))],
          ['yes', true],
          ['none', null],
          ['time', types.wrap_timestamp(0)],
          ['bytes', types.wrap_binary(Buffer.from([1, 2]))],
        ]),
        body: 'x',
      }),
    ),
  );
  assert.deepEqual(properties, {
    text: 'ü',
    number: '1.5',
    large: '9223372036854775807',
    yes: 'true',
    none: '',
    time: '1970-01-01T00:00:00.000Z',
    bytes: 'AQI=',
  });
  const sneaky = Buffer.from('005374c10f02a1095f5f70726f746f5f5fa10178', 'hex');
  const message = readEvent(readMessage(sneaky));
  assert.deepEqual(Object.entries(message.properties), [['__proto__', 'x']]);
  assert.equal(Object.getPrototypeOf(message.properties), Object.prototype);
});

test('a command lives until its expiry, or as long as its time to live', () => {
  const read = (message: object) =>
    readCommand(readMessage(rhea.message.encode({ ...message, body: 'x' })), 1_000);
  assert.equal(read({ absolute_expiry_time: new Date(7_000) }).system.expiryTimeUtcMs, 7_000);
  assert.equal(read({ ttl: 500 }).system.expiryTimeUtcMs, 1_500);
  assert.equal(read({}).system.expiryTimeUtcMs, undefined);
  assert.equal(read({ application_properties: { 'iothub-ack': 'Full' } }).system.ack, 'full');
  assert.throws(() => read({ application_properties: { 'iothub-ack': 'maybe' } }), {
    code: 'ArgumentInvalid',
  });
});

test('a body in a value section is taken as bytes, and several data sections are joined', () => {
  const body = (value: unknown) =>
    readEvent(readMessage(rhea.message.encode({ body: value }))).body.toString();
  assert.equal(body('text'), 'text');
  assert.equal(body(Buffer.from('bytes')), 'bytes');
  assert.equal(body(rhea.message.data_sections([Buffer.from('a'), Buffer.from('b')])), 'ab');
  assert.equal(body(null), '');
});

test('a command carries what its sender and the hub know about it', () => {
  const encoded = writeCommand('a b', {
    lockToken: '01234567-89ab-4def-8123-456789abcdef',
    sequence: 5,
    deliveryCount: 1,
    redelivered: true,
    enqueuedTimeMs: 1_000,
    expiryTimeMs: 2_000,
    message: { body: Buffer.from('x'), system: { messageId: 'm', ack: 'full' }, properties: { p: 'v' } },
  });
  const message = rhea.message.decode(encoded);
  assert.equal(message.to, '/devices/a%20b/messages/devicebound');
  assert.equal(message.message_id, 'm');
  assert.deepEqual(message.absolute_expiry_time, new Date(2_000));
  assert.deepEqual(message.application_properties, { p: 'v', 'iothub-ack': 'full' });
  assert.deepEqual(message.message_annotations, {
    'iothub-sequencenumber': 5,
    'iothub-enqueuedtime': new Date(1_000),
    'iothub-deliverycount': 1,
    'iothub-messagelocktoken': '01234567-89ab-4def-8123-456789abcdef',
  });
});
