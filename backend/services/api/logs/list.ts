/** Lines of one device's log, the newest first. */
import { create, fromJson } from '@bufbuild/protobuf';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import { LogEntrySchema } from '@iotdh/proto/agent/v1';
import {
  type ListLogsRequest,
  ListLogsRequestSchema,
  type ListLogsResponse,
  ListLogsResponseSchema,
} from '@iotdh/proto/fleet/v1';
import type { Filter } from 'mongodb';
import type { LogLineDocument } from '../../../shared/database/collections.ts';
import { deviceNamed } from '../devices/find.ts';
import { type Fleet, literal } from '../fleet.ts';
import { listBinding, olderThan, pageOf, pageSizeOf, positionOf } from '../page-token.ts';

export async function listLogs(fleet: Fleet, request: ListLogsRequest): Promise<ListLogsResponse> {
  const binding = listBinding(ListLogsRequestSchema, request);
  const position = positionOf(binding, request.pageToken);
  const pageSize = pageSizeOf(request.pageSize);
  await deviceNamed(fleet, request.deviceId);
  const rows = await fleet.database.collections.logLines
    .find({ $and: [filterOf(request), olderThan(position, 'time')] })
    .sort({ time: -1, _id: -1 })
    .limit(pageSize + 1)
    .toArray();
  const { page, nextPageToken } = pageOf(rows, pageSize, binding, ({ _id, time }) => ({
    id: _id,
    timeMs: time.getTime(),
  }));
  const entries = page.map(({ record }) => fromJson(LogEntrySchema, record, { ignoreUnknownFields: true }));
  return create(ListLogsResponseSchema, { entries, nextPageToken });
}

function filterOf(request: ListLogsRequest): Filter<LogLineDocument> {
  const { deviceId, fromTime, toTime, minLevel, component, text, collectionId } = request;
  return {
    deviceId,
    ...((fromTime ?? toTime) && {
      time: {
        ...(fromTime && { $gte: timestampDate(fromTime) }),
        ...(toTime && { $lte: timestampDate(toTime) }),
      },
    }),
    ...(minLevel > 0 && { level: { $gte: minLevel } }),
    // `carto` and what is below it, such as `carto.mapping`, but not `cartography`.
    ...(component !== '' && { component: { $regex: `^${literal(component)}(\\.|$)` } }),
    ...(text !== '' && { 'record.message': { $regex: literal(text), $options: 'i' } }),
    ...(collectionId !== '' && { collectionId }),
  };
}
