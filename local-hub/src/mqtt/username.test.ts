import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseUserName } from './username.ts';

test('a device is recognised in every form that clients use', () => {
  const device = { kind: 'device', host: 'localhost:8883', deviceId: 'dev-1' };
  assert.deepEqual(parseUserName('localhost:8883/dev-1'), device);
  assert.deepEqual(parseUserName('localhost:8883/dev-1/?api-version=2021-04-12'), device);
  assert.deepEqual(parseUserName('localhost:8883/dev-1/api-version=2016-11-14'), device);
  assert.deepEqual(
    parseUserName(
      'localhost:8883/dev-1/?api-version=2021-04-12&model-id=dtmi%3Acom%3Ax%3B1&DeviceClientType=node%2F1.18%20(linux)',
    ),
    { ...device, clientType: 'node/1.18 (linux)', modelId: 'dtmi:com:x;1' },
  );
});

test('a client type that is not encoded does not disturb the path', () => {
  const parsed = parseUserName('hub/dev/?api-version=2018-06-30&DeviceClientType=c/1.3.0 (ard;esp8266)');
  assert.deepEqual(parsed, {
    kind: 'device',
    host: 'hub',
    deviceId: 'dev',
    clientType: 'c/1.3.0 (ard;esp8266)',
  });
});

test('a module is recognised as one', () => {
  assert.deepEqual(parseUserName('hub/dev/mod/?api-version=2021-04-12'), {
    kind: 'device',
    host: 'hub',
    deviceId: 'dev',
    moduleId: 'mod',
  });
});

test('a registration with the provisioning service is recognised', () => {
  assert.deepEqual(
    parseUserName('0ne000/registrations/reg-1/api-version=2019-03-31&ClientVersion=azure-iot%2F1'),
    { kind: 'registration', scopeId: '0ne000', registrationId: 'reg-1' },
  );
});

test('anything else is refused', () => {
  for (const userName of ['', 'hub', 'hub/', '/dev', 'hub/a/b/c/?x', 'hub/?api-version=2021-04-12'])
    assert.equal(parseUserName(userName), undefined, userName);
});
