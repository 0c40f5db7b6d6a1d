/** `POST /devices/{id}/messages/events`: device-to-cloud messages over HTTPS, one or a batch. */
import { HubError } from '../engine/error.ts';
import type { HubMessage } from '../engine/message.ts';
import { readProperties } from './event-headers.ts';
import { type Call, type Handler, header, jsonValue, nothing } from './exchange.ts';

const batchType = 'application/vnd.microsoft.iothub.json';
const maxBatch = 500;

/** An element of a batch. Its body is base64 unless `base64Encoded` says otherwise; its properties are named like headers. */
function batched(value: unknown): HubMessage {
  const { body, base64Encoded, properties = {} } = (value ?? {}) as Record<string, unknown>;
  if (typeof body !== 'string' || typeof properties !== 'object' || properties === null) {
    throw new HubError(
      'ArgumentInvalid',
      'Each message of a batch needs a body, and properties as an object',
    );
  }
  const headers = Object.entries(properties).flatMap(([name, text]) => [name, String(text)]);
  return {
    ...readProperties(headers),
    body: Buffer.from(body, base64Encoded === false ? 'utf8' : 'base64'),
  };
}

function messagesOf(call: Call): HubMessage[] {
  if (!(header(call, 'content-type') ?? '').startsWith(batchType)) {
    return [{ ...readProperties(call.rawHeaders), body: call.body }];
  }
  const items = jsonValue(call);
  if (!Array.isArray(items) || items.length === 0 || items.length > maxBatch) {
    throw new HubError('ArgumentInvalid', `A batch is an array of 1 to ${maxBatch} messages`);
  }
  return items.map(batched);
}

export const sendEvents: Handler = async (call, { engine }) => {
  const { device: auth } = call;
  if (auth === undefined) throw new Error('the route authenticates the device');
  const { deviceId } = auth;
  // Begun together, so that a batch shares one commit.
  await Promise.all(messagesOf(call).map((message) => engine.telemetry.append({ deviceId, auth, message })));
  return nothing;
};
