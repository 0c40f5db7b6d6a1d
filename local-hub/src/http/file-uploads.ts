/** How a device gets permission to upload a file, and reports that it did (devguide "Upload files with IoT Hub"). */
import { HubError } from '../engine/error.ts';
import { type Call, type Handler, jsonObject, nothing, ok, param } from './exchange.ts';

export const beginUpload: Handler = async (call, { engine }) => {
  const { blobName } = jsonObject(call);
  if (typeof blobName !== 'string') throw new HubError('ArgumentInvalid', 'The body must have a blobName');
  return ok(await engine.fileUpload.begin(param(call, 'deviceId'), blobName));
};

/** The SDK puts the correlation id into the path, the documentation into the body. */
function correlationIdOf(call: Call, body: Record<string, unknown>): string {
  const id = call.params.correlationId ?? body.correlationId;
  if (typeof id !== 'string' || id === '')
    throw new HubError('ArgumentInvalid', 'The correlationId is missing');
  return id;
}

export const completeUpload: Handler = async (call, { engine }) => {
  const body = jsonObject(call);
  const { isSuccess, statusCode, statusDescription } = body;
  if (typeof isSuccess !== 'boolean') throw new HubError('ArgumentInvalid', 'The body must have isSuccess');
  await engine.fileUpload.complete(param(call, 'deviceId'), {
    correlationId: correlationIdOf(call, body),
    isSuccess,
    ...(typeof statusCode === 'number' && { statusCode }),
    ...(typeof statusDescription === 'string' && { statusDescription }),
  });
  return nothing;
};
