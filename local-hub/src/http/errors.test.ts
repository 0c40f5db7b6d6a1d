import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProvisioningError } from '../dps/error.ts';
import { HubError, type HubErrorCode } from '../engine/error.ts';
import { errorReply, internalErrorReply, isExpected } from './errors.ts';

type Body = { Message: string; ExceptionMessage: string };

const expected: Record<HubErrorCode, [status: number, name: string]> = {
  ArgumentInvalid: [400, 'ArgumentInvalid'],
  Unauthorized: [401, 'IotHubUnauthorizedAccess'],
  DeviceDisabled: [401, 'IotHubUnauthorizedAccess'],
  QuotaExceeded: [403, 'IotHubQuotaExceeded'],
  TooManyDevices: [403, 'TooManyDevices'],
  DeviceMaximumQueueDepthExceeded: [403, 'DeviceMaximumQueueDepthExceeded'],
  DeviceNotFound: [404, 'DeviceNotFound'],
  NotFound: [404, 'NotFound'],
  DeviceNotOnline: [404, 'DeviceNotOnline'],
  DeviceAlreadyExists: [409, 'DeviceAlreadyExists'],
  Conflict: [409, 'Conflict'],
  PreconditionFailed: [412, 'PreconditionFailed'],
  LockLost: [412, 'DeviceMessageLockLost'],
  MessageTooLarge: [413, 'MessageTooLarge'],
  Throttled: [429, 'ThrottlingException'],
  NotImplemented: [501, 'NotImplemented'],
  StorageUnavailable: [503, 'ServiceUnavailable'],
  GatewayTimeout: [504, 'DeviceTimeout'],
};
const nestedCodes: Partial<Record<string, number>> = { DeviceNotOnline: 404_103, GatewayTimeout: 504_101 };

test('every error has its status, its name in the header, and a message that the SDKs can cut out', () => {
  for (const [code, [status, name]] of Object.entries(expected)) {
    const error = new HubError(code as HubErrorCode, 'what; went wrong');
    const reply = errorReply(error, 0);
    const { Message, ExceptionMessage } = reply.body as Body;
    assert.equal(reply.status, status, code);
    assert.equal(reply.headers?.['iothub-errorcode'], name, code);
    assert.equal(ExceptionMessage, `Tracking ID:${error.trackingId}-TimeStamp:1970-01-01T00:00:00.000Z`);
    // The SDKs take what is between the first two semicolons for the message.
    if (nestedCodes[code] === undefined) assert.equal(Message, `ErrorCode:${name};what, went wrong`);
  }
});

test('a device that is not online, or does not answer, has a JSON text for its message', () => {
  for (const [code, number] of Object.entries(nestedCodes)) {
    const error = new HubError(code as HubErrorCode, 'late');
    const nested = JSON.parse((errorReply(error, 0).body as Body).Message) as Record<string, unknown>;
    assert.deepEqual(
      [nested.errorCode, nested.message, nested.trackingId],
      [number, 'late', error.trackingId],
    );
  }
});

test('provisioning errors keep the shape of their service, and bugs tell nothing but their number', () => {
  const reply = errorReply(new ProvisioningError('EnrollmentNotFound', 'no such thing'), 0);
  assert.equal(reply.status, 404);
  assert.equal((reply.body as { errorCode: number }).errorCode, 404_201);
  assert.equal(isExpected(new Error('bug')), false);
  assert.match(JSON.stringify(internalErrorReply('ABC', 0).body), /ServerError.*ABC/);
});
