/** Cloud-to-device messages for devices that poll over HTTPS: receive with a lock, then complete, reject or abandon. */
import { deliveryHeaders } from './event-headers.ts';
import { type Handler, nothing, param } from './exchange.ts';

/** 204 when there is no message. The SDKs repeat the request until then. */
export const receiveCommand: Handler = async (call, { engine }) => {
  const deviceId = param(call, 'deviceId');
  const delivery = await engine.cloudToDevice.lockNext(deviceId);
  if (delivery === undefined) return nothing;
  return {
    status: 200,
    headers: { 'Content-Type': 'application/octet-stream', ...deliveryHeaders(delivery) },
    body: delivery.message.body,
  };
};

/** `?reject`, with or without a value, rejects. */
export const completeCommand: Handler = async (call, { engine }) => {
  const settle = call.query.has('reject') ? engine.cloudToDevice.reject : engine.cloudToDevice.complete;
  await settle(param(call, 'deviceId'), param(call, 'lockToken'));
  return nothing;
};

export const abandonCommand: Handler = async (call, { engine }) => {
  await engine.cloudToDevice.abandon(param(call, 'deviceId'), param(call, 'lockToken'));
  return nothing;
};
