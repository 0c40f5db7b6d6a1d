/** A device as the contract shows it, from what the database keeps. */
import { create, fromJson } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { Connectivity, type Device, DeviceReportSchema, DeviceSchema } from '@iotdh/proto/fleet/v1';
import type { DeviceDocument } from '../database/collections.ts';
import { bigint } from './long.ts';

const connectivities = {
  awaited: Connectivity.AWAITED,
  connected: Connectivity.CONNECTED,
  disconnected: Connectivity.DISCONNECTED,
} as const;

export function deviceMessage(document: DeviceDocument): Device {
  const { lastSeenTime, report, retireTime } = document;
  return create(DeviceSchema, {
    deviceId: document._id,
    displayName: document.displayName,
    site: document.site,
    labels: document.labels,
    connectivity: connectivities[document.connectivity],
    ...(lastSeenTime && { lastSeenTime: timestampFromDate(lastSeenTime) }),
    ...(report && { report: fromJson(DeviceReportSchema, report, { ignoreUnknownFields: true }) }),
    createTime: timestampFromDate(document.createTime),
    ...(retireTime && { retireTime: timestampFromDate(retireTime) }),
    revision: bigint(document.revision),
  });
}
