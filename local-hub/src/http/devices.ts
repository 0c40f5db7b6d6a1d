/** The identity registry: `/devices` and `/devices/{id}` (REST reference "Devices" and "Bulk registry"). */
import { HubError } from '../engine/error.ts';
import type { DeviceIdentity, DeviceSpec } from '../engine/identity.ts';
import { type BulkMode, type BulkOperation, runBulk } from '../engine/registry-bulk.ts';
import {
  type Call,
  type Handler,
  header,
  integer,
  jsonObject,
  jsonValue,
  nothing,
  ok,
  param,
  type Reply,
} from './exchange.ts';

const maxListed = 1_000;

function identityReply(device: DeviceIdentity): Reply {
  return ok(device, { ETag: `"${device.etag}"` });
}

/** The engine checks every field of what came as JSON. */
function specOf(body: Record<string, unknown>, deviceId: unknown): DeviceSpec {
  if (typeof deviceId !== 'string') throw new HubError('ArgumentInvalid', 'The device has no deviceId');
  return { ...body, deviceId };
}

function specFromBody(call: Call): DeviceSpec {
  const body = jsonObject(call);
  const deviceId = param(call, 'deviceId');
  if (body.deviceId !== undefined && body.deviceId !== deviceId) {
    throw new HubError(
      'ArgumentInvalid',
      `The deviceId in the body is not the one in the path, "${deviceId}"`,
    );
  }
  return specOf(body, deviceId);
}

export const getDevice: Handler = (call, { engine }) =>
  identityReply(engine.registry.require(param(call, 'deviceId')));

export const listDevices: Handler = (call, { engine }) =>
  ok(engine.registry.list(integer('top', call.query.get('top'), { min: 1, max: maxListed })));

/** Creates without `If-Match`, updates with it. */
export const putDevice: Handler = async (call, { engine }) => {
  const spec = specFromBody(call);
  const ifMatch = header(call, 'if-match');
  return identityReply(
    await (ifMatch === undefined ? engine.registry.create(spec) : engine.registry.update(spec, ifMatch)),
  );
};

export const deleteDevice: Handler = async (call, { engine }) => {
  await engine.registry.remove(param(call, 'deviceId'), header(call, 'if-match'));
  return nothing;
};

/** Modes come in any case: the Node SDK writes `create` and `UpdateIfMatchETag`. */
const modes = new Map<string, BulkMode>(
  (
    [
      'create',
      'update',
      'updateIfMatchETag',
      'createOrUpdate',
      'createOrUpdateIfMatchETag',
      'delete',
      'deleteIfMatchETag',
    ] as const
  ).map((mode) => [mode.toLowerCase(), mode]),
);

function bulkOperation(value: unknown): BulkOperation {
  if (typeof value !== 'object' || value === null) {
    throw new HubError('ArgumentInvalid', 'A bulk request is an array of devices');
  }
  const { id, importMode, eTag, etag, ...rest } = value as Record<string, unknown>;
  const mode = modes.get(String(importMode ?? 'create').toLowerCase());
  if (mode === undefined) {
    throw new HubError('ArgumentInvalid', `"${String(importMode).slice(0, 40)}" is not an importMode`);
  }
  const condition = eTag ?? etag;
  return {
    mode,
    device: specOf(rest, id),
    ...(typeof condition === 'string' && { etag: condition }),
  };
}

/** Up to 100 changes, each by itself; one refused change makes the answer 400 with the list of errors. */
export const bulkDevices: Handler = async (call, { engine }) => {
  const items = jsonValue(call);
  if (!Array.isArray(items)) throw new HubError('ArgumentInvalid', 'A bulk request is an array of devices');
  const result = await runBulk(engine.registry, items.map(bulkOperation));
  return { status: result.isSuccessful ? 200 : 400, body: result };
};

export const registryStatistics: Handler = (_call, { engine }) => ok(engine.registry.statistics());

export const serviceStatistics: Handler = (_call, { engine }) =>
  ok({ connectedDeviceCount: engine.presence.count() });
