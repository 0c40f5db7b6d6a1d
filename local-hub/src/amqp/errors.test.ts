import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HubError, type HubErrorCode } from '../engine/error.ts';
import { AmqpRefusal, toAmqpError, toStatusCode } from './errors.ts';
import { WireError } from './wire/check.ts';

test('errors of the hub get the conditions that the SDKs translate, with a tracking id', () => {
  const cases: [HubErrorCode, string, number][] = [
    ['DeviceNotFound', 'amqp:not-found', 404],
    ['DeviceMaximumQueueDepthExceeded', 'amqp:resource-limit-exceeded', 403],
    ['MessageTooLarge', 'amqp:link:message-size-exceeded', 413],
    ['Throttled', 'com.microsoft:device-container-throttled', 429],
    ['Unauthorized', 'amqp:unauthorized-access', 401],
    ['GatewayTimeout', 'com.microsoft:timeout', 504],
    ['QuotaExceeded', 'com.microsoft:quota-exceeded', 403],
    ['LockLost', 'com.microsoft:message-lock-lost', 412],
    ['PreconditionFailed', 'com.microsoft:precondition-failed', 412],
    ['ArgumentInvalid', 'com.microsoft:argument-error', 400],
    ['StorageUnavailable', 'amqp:internal-error', 503],
  ];
  for (const [code, condition, status] of cases) {
    const error = new HubError(code, 'why');
    assert.deepEqual(toAmqpError(error), { condition, description: `why (tracking id ${error.trackingId})` });
    assert.equal(toStatusCode(error), status);
  }
});

test('refusals of AMQP itself keep their condition, and bugs show nothing of themselves', () => {
  assert.equal(toAmqpError(new AmqpRefusal('amqp:not-allowed', 'no')).condition, 'amqp:not-allowed');
  assert.equal(toAmqpError(new WireError('bad')).condition, 'amqp:decode-error');
  const bug = toAmqpError(new TypeError('secret of the hub'));
  assert.equal(bug.condition, 'amqp:internal-error');
  assert.doesNotMatch(bug.description, /secret/);
  assert.equal(toStatusCode(new TypeError('x')), 500);
});
