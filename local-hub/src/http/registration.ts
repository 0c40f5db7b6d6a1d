/** The device side of the Device Provisioning Service over HTTPS: register, and ask how far it is. */
import type { RegistrationAnswer, RegistrationCaller } from '../dps/provisioning.ts';
import { type Call, type Handler, header, param, type Reply } from './exchange.ts';

function callerOf(call: Call): RegistrationCaller {
  return {
    scopeId: param(call, 'scopeId'),
    registrationId: param(call, 'registrationId'),
    sasToken: header(call, 'authorization'),
    clientCertificate: call.clientCertificate,
    remote: call.remote,
  };
}

function replyOf({ status, body, retryAfterSeconds }: RegistrationAnswer): Reply {
  const headers = retryAfterSeconds === undefined ? {} : { 'Retry-After': String(retryAfterSeconds) };
  return { status, headers, body };
}

export const register: Handler = async (call, { provisioning }) =>
  replyOf(await provisioning.register(callerOf(call), call.body));

export const registrationStatus: Handler = async (call, { provisioning }) =>
  replyOf(await provisioning.status(callerOf(call), param(call, 'operationId')));
