/** Device twins as services see them: `/twins/{id}` (REST reference "Twin"). */
import { HubError } from '../engine/error.ts';
import type { Twin } from '../engine/twin.ts';
import type { TwinUpdate } from '../engine/twins.ts';
import {
  type Call,
  type Handler,
  header,
  jsonObject,
  ok,
  param,
  type Reply,
  type Services,
} from './exchange.ts';

function twinReply(twin: Twin): Reply {
  return ok(twin, { ETag: `"${twin.etag}"` });
}

/** Reported properties and everything else in the body belong to the device or the registry, and are ignored as by IoT Hub. */
function updateOf(call: Call): TwinUpdate {
  const { tags, properties } = jsonObject(call);
  if (properties !== undefined && (typeof properties !== 'object' || properties === null)) {
    throw new HubError('ArgumentInvalid', 'properties must be an object');
  }
  const desired = (properties as { desired?: unknown } | undefined)?.desired;
  return { ...(tags !== undefined && { tags }), ...(desired !== undefined && { desired }) };
}

async function change(call: Call, { engine }: Services, replace: boolean): Promise<Reply> {
  const update = updateOf(call);
  const ifMatch = header(call, 'if-match');
  return twinReply(await engine.twins.update(param(call, 'deviceId'), update, { ifMatch, replace }));
}

export const getTwin: Handler = (call, { engine }) => twinReply(engine.twins.get(param(call, 'deviceId')));
export const patchTwin: Handler = (call, services) => change(call, services, false);
export const putTwin: Handler = (call, services) => change(call, services, true);
