import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  desiredTopic,
  deviceboundTopic,
  methodTopic,
  parseRequestTopic,
  parseTopicFilter,
  registrationResponseTopic,
  twinResponseTopic,
} from './topics.ts';

test('telemetry topics are recognised with and without a property bag', () => {
  const bagOf = (topic: string, deviceId = 'dev') => {
    const parsed = parseRequestTopic(topic, deviceId);
    return parsed.kind === 'events' ? parsed.bag : parsed;
  };
  assert.equal(bagOf('devices/dev/messages/events/'), '');
  assert.equal(bagOf('devices/dev/messages/events'), '');
  assert.equal(bagOf('devices/dev/messages/events/a=b&%24.mid=1'), 'a=b&%24.mid=1');
  assert.equal(bagOf('devices/dev/messages/events/a=b/'), 'a=b');
  assert.equal(bagOf('devices/a%23b/messages/events/', 'a#b'), '');
});

test('request topics are recognised and their request id is kept as it was written', () => {
  assert.deepEqual(parseRequestTopic('$iothub/twin/GET/?$rid=a%20b', 'dev'), {
    kind: 'twin-get',
    requestId: 'a%20b',
  });
  assert.deepEqual(parseRequestTopic('$iothub/twin/PATCH/properties/reported/?%24rid=7&$version=12', 'dev'), {
    kind: 'twin-patch',
    requestId: '7',
    version: 12,
  });
  assert.deepEqual(parseRequestTopic('$iothub/methods/res/-1/?$rid=9', 'dev'), {
    kind: 'method-response',
    requestId: '9',
    status: -1,
  });
  assert.deepEqual(
    parseRequestTopic('$dps/registrations/GET/iotdps-get-operationstatus/?$rid=1&operationId=4.ab', 'dev'),
    { kind: 'registration-status', requestId: '1', operationId: '4.ab' },
  );
});

test('everything else is refused with its reason', () => {
  const refused = {
    'devices/other/messages/events/': /names device other/,
    'devices/dev/modules/m/messages/events/': /module/,
    'devices/dev/messages/devicebound/': /messages\/events/,
    'devices/dev/messages/eventsx': /messages\/events/,
    devices: /does not know/,
    'devices/%zz/messages/events/': /names device/,
    '$iothub/twin/GET/': /\$rid/,
    '$iothub/twin/GET/?$rid=': /\$rid/,
    '$iothub/methods/res/200': /\$rid/,
    '$iothub/methods/res/ok/?$rid=1': /integer/,
    '$iothub/twin/PUT/?$rid=1': /does not know/,
    'home/lamp': /does not know/,
    [`$iothub/twin/GET/?$rid=${'x'.repeat(1_025)}`]: /1024 characters/,
  };
  for (const [topic, reason] of Object.entries(refused)) {
    const parsed = parseRequestTopic(topic, 'dev');
    assert.equal(parsed.kind, 'refused', topic);
    assert.match(parsed.kind === 'refused' ? parsed.reason : '', reason, topic);
  }
});

test("only IoT Hub's own topic filters can be subscribed to", () => {
  assert.equal(parseTopicFilter('devices/dev/messages/devicebound/#', 'dev'), 'devicebound');
  assert.equal(parseTopicFilter('devices/+/messages/devicebound/#', 'dev'), 'devicebound');
  assert.equal(parseTopicFilter('devices/a%21/messages/devicebound/#', 'a!'), 'devicebound');
  assert.equal(parseTopicFilter('$iothub/twin/res/#', 'dev'), 'twin-responses');
  assert.equal(parseTopicFilter('$iothub/twin/PATCH/properties/desired/#', 'dev'), 'desired');
  assert.equal(parseTopicFilter('$iothub/methods/POST/#', 'dev'), 'methods');
  for (const filter of ['#', '+/+', 'devices/other/messages/devicebound/#', 'devices/dev/messages/events/#'])
    assert.equal(parseTopicFilter(filter, 'dev'), undefined, filter);
  assert.equal(parseTopicFilter('constructor', 'dev'), undefined);
});

test('topics towards the device have the documented form', () => {
  assert.equal(deviceboundTopic("d'1", 'a=b'), 'devices/d%271/messages/devicebound/a=b');
  assert.equal(twinResponseTopic(200, '5'), '$iothub/twin/res/200/?$rid=5');
  assert.equal(twinResponseTopic(204, '5', 3), '$iothub/twin/res/204/?$rid=5&$version=3');
  assert.equal(desiredTopic(8), '$iothub/twin/PATCH/properties/desired/?$version=8');
  assert.equal(methodTopic('\uD800', '1'), '$iothub/methods/POST/%EF%BF%BD/?$rid=1');
  assert.equal(methodTopic('re boot', '1'), '$iothub/methods/POST/re%20boot/?$rid=1');
  assert.equal(registrationResponseTopic(202, '1', 3), '$dps/registrations/res/202/?$rid=1&retry-after=3');
});
