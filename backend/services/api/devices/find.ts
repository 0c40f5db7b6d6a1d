/** Finds devices: one, or those that a filter selects. */
import { create } from '@bufbuild/protobuf';
import { StateSchema } from '@iotdh/proto/agent/v1';
import {
  Connectivity,
  type DeviceFilter,
  type ListDevicesRequest,
  ListDevicesRequestSchema,
  type ListDevicesResponse,
  ListDevicesResponseSchema,
} from '@iotdh/proto/fleet/v1';
import type { ClientSession, Filter } from 'mongodb';
import type { DeviceDocument } from '../../../shared/database/collections.ts';
import { deviceMessage } from '../../../shared/messages/device.ts';
import { type Fleet, literal } from '../fleet.ts';
import { listBinding, pageOf, pageSizeOf, positionOf } from '../page-token.ts';
import { refuse } from '../refusal.ts';

/** Refuses with `not_found`. */
export async function deviceNamed(
  fleet: Fleet,
  deviceId: string,
  session?: ClientSession,
): Promise<DeviceDocument> {
  const { devices } = fleet.database.collections;
  const device = await devices.findOne({ _id: deviceId }, session && { session });
  return device ?? refuse({ kind: 'not_found', resource: 'device', id: deviceId });
}

export async function listDevices(fleet: Fleet, request: ListDevicesRequest): Promise<ListDevicesResponse> {
  const { devices } = fleet.database.collections;
  const binding = listBinding(ListDevicesRequestSchema, request);
  const position = positionOf(binding, request.pageToken);
  const pageSize = pageSizeOf(request.pageSize);
  const filter = filterOf(request.filter);
  const after: Filter<DeviceDocument> =
    position === null ? filter : { $and: [filter, { _id: { $gt: position.id } }] };
  const [rows, total] = await Promise.all([
    devices
      .find(after)
      .sort({ _id: 1 })
      .limit(pageSize + 1)
      .toArray(),
    devices.countDocuments(filter),
  ]);
  const { page, nextPageToken } = pageOf(rows, pageSize, binding, ({ _id }) => ({ id: _id, timeMs: 0 }));
  return create(ListDevicesResponseSchema, {
    devices: page.map(deviceMessage),
    nextPageToken,
    totalSize: BigInt(Number(total)),
  });
}

const connectivities: Partial<Record<Connectivity, DeviceDocument['connectivity']>> = {
  [Connectivity.AWAITED]: 'awaited',
  [Connectivity.CONNECTED]: 'connected',
  [Connectivity.DISCONNECTED]: 'disconnected',
};

export function filterOf(filter: DeviceFilter | undefined): Filter<DeviceDocument> {
  if (filter === undefined) return { retireTime: null };
  const { deviceIds, text, sites, labels, states, connectivity, includeRetired } = filter;
  const containing = { $regex: literal(text), $options: 'i' };
  const wanted = connectivities[connectivity];
  return {
    ...(!includeRetired && { retireTime: null }),
    ...(deviceIds.length > 0 && { _id: { $in: deviceIds } }),
    ...(sites.length > 0 && { site: { $in: sites } }),
    ...(wanted !== undefined && { connectivity: wanted }),
    ...(states.length > 0 && {
      'report.snapshot.state': { $in: states.map((state) => StateSchema.value[state]?.name) },
    }),
    // The contract's pattern for a label's name leaves no room for an operator or a path.
    ...Object.fromEntries(Object.entries(labels).map(([name, value]) => [`labels.${name}`, value])),
    ...(text !== '' && { $or: [{ _id: containing }, { displayName: containing }, { site: containing }] }),
  };
}
