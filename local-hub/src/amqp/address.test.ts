import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress, parseRecipient } from './address.ts';
import { parseStartPosition } from './start-position.ts';

test('every node is found by its address, in the spellings of the SDKs', () => {
  const cases: [string, object][] = [
    ['$cbs', { kind: 'cbs' }],
    ['$management', { kind: 'management' }],
    ['messages/events/$management', { kind: 'management' }],
    ['/messages/devicebound', { kind: 'commands' }],
    ['/messages/deviceBound', { kind: 'commands' }],
    ['/messages/serviceBound/feedback', { kind: 'feedback' }],
    ['/messages/servicebound/filenotifications', { kind: 'fileNotifications' }],
    [
      'hub/ConsumerGroups/$Default/Partitions/0',
      { kind: 'partition', entity: 'hub', consumerGroup: '$Default', partition: '0' },
    ],
    [
      '/messages/events/ConsumerGroups/g/Partitions/12',
      { kind: 'partition', entity: 'messages/events', consumerGroup: 'g', partition: '12' },
    ],
    ['hub', { kind: 'eventHub', entity: 'hub' }],
    ['hub/Partitions/3', { kind: 'eventHub', entity: 'hub' }],
    ['/devices/a%23b/messages/events', { kind: 'device', deviceId: 'a#b', node: 'events' }],
    ['/devices/a/messages/devicebound', { kind: 'device', deviceId: 'a', node: 'commands' }],
    ['amqps://h:1/devices/a/messages/deviceBound', { kind: 'device', deviceId: 'a', node: 'commands' }],
    ['/devices/a/methods/devicebound', { kind: 'device', deviceId: 'a', node: 'methods' }],
    ['/devices/a/twin', { kind: 'device', deviceId: 'a', node: 'twin' }],
  ];
  for (const [address, node] of cases) assert.deepEqual(parseAddress(address), node, address);
});

test('anything else is no address', () => {
  for (const address of [
    undefined,
    null,
    7,
    '',
    '/devices/a/modules/m/twin',
    '/devices/%E0%A4%A/twin',
    '$other',
    'x'.repeat(2000),
    '/devices/a/constructor',
  ])
    assert.equal(parseAddress(address), undefined, String(address));
  assert.deepEqual(parseAddress('constructor'), { kind: 'eventHub', entity: 'constructor' });
});

test('the recipient of a message is decoded', () => {
  assert.equal(parseRecipient('/devices/a%23b/messages/devicebound'), 'a#b');
  assert.equal(parseRecipient('/devices/a/messages/deviceBound'), 'a');
  for (const to of [
    undefined,
    '',
    '/devices/a',
    '/devices/a/modules/b/messages/devicebound',
    '/devices/%/messages/devicebound',
  ])
    assert.equal(parseRecipient(to), undefined, String(to));
});

test('start positions are read from all filters that the SDKs send', () => {
  const annotation = 'amqp.annotation.x-opt-';
  const cases: [string | undefined, unknown][] = [
    [undefined, 'earliest'],
    [`${annotation}offset > '-1'`, 'earliest'],
    [`${annotation}offset > '@latest'`, 'latest'],
    [`${annotation}offset > '42'`, { offset: '42', inclusive: false }],
    [`${annotation}offset >= '42'`, { offset: '42', inclusive: true }],
    [`${annotation}sequence-number > '-1'`, 'earliest'],
    [`${annotation}sequence-number > '7'`, { sequence: 7, inclusive: false }],
    [`${annotation}sequence-number >= '7'`, { sequence: 7, inclusive: true }],
    [`${annotation}enqueued-time > '1700000000000'`, { enqueuedTimeMs: 1_700_000_000_000, inclusive: false }],
    [`${annotation}enqueuedtimeutc >= 1700000000000`, { enqueuedTimeMs: 1_700_000_000_000, inclusive: true }],
  ];
  for (const [selector, position] of cases)
    assert.deepEqual(parseStartPosition(selector), position, selector);
});

test('other filters are refused', () => {
  for (const selector of [
    '',
    'x',
    "amqp.annotation.x-opt-offset < '1'",
    "amqp.annotation.x-opt-offset > 'a'",
    "amqp.annotation.x-opt-other > '1'",
    "amqp.annotation.x-opt-sequence-number > '1e9'",
  ])
    assert.throws(() => parseStartPosition(selector), { name: 'AmqpRefusal' }, selector);
});
