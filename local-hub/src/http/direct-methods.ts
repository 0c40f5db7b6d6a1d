/** `POST /twins/{id}/methods`: invokes a direct method and waits for the device (REST reference "Devices - Invoke Method"). */
import { HubError } from '../engine/error.ts';
import { type Handler, jsonObject, ok, param } from './exchange.ts';

function timeoutMs(name: string, seconds: unknown): number | undefined {
  if (seconds === undefined || seconds === null) return undefined;
  if (typeof seconds !== 'number' || !Number.isFinite(seconds)) {
    throw new HubError('ArgumentInvalid', `${name} must be a number of seconds`);
  }
  return seconds * 1_000;
}

export const invokeMethod: Handler = async (call, { engine }) => {
  const { methodName, payload, responseTimeoutInSeconds, connectTimeoutInSeconds } = jsonObject(call);
  if (typeof methodName !== 'string')
    throw new HubError('ArgumentInvalid', 'The body must have a methodName');
  const response = await engine.methods.invoke(param(call, 'deviceId'), {
    methodName,
    payload,
    responseTimeoutMs: timeoutMs('responseTimeoutInSeconds', responseTimeoutInSeconds),
    connectTimeoutMs: timeoutMs('connectTimeoutInSeconds', connectTimeoutInSeconds),
  });
  return ok({ status: response.status, payload: response.payload });
};
