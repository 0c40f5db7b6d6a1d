/** The audit trail as it was received: decisions with their evidence, and the moves with which updates began to be applied. */
import { create, type DescMessage, fromJson, type MessageShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { ConsentSchema, StateChangedSchema } from '@iotdh/proto/agent/v1';
import {
  type ListApplicationsRequest,
  ListApplicationsRequestSchema,
  type ListApplicationsResponse,
  ListApplicationsResponseSchema,
  type ListConsentsRequest,
  ListConsentsRequestSchema,
  type ListConsentsResponse,
  ListConsentsResponseSchema,
} from '@iotdh/proto/fleet/v1';
import type { Collection, Filter } from 'mongodb';
import type { Fleet } from '../fleet.ts';
import { listBinding, olderThan, pageOf, pageSizeOf, positionOf } from '../page-token.ts';

const reading = { ignoreUnknownFields: true };

/** Of documents that were received, a page of those that were last. */
async function receivedPage<Row extends { _id: string; receivedTime: Date }, Desc extends DescMessage>(
  collection: Collection<Row>,
  filter: Filter<Row>,
  schema: Desc,
  request: MessageShape<Desc> & { pageSize: number; pageToken: string },
): Promise<{ page: Row[]; nextPageToken: string }> {
  const binding = listBinding(schema, request);
  const position = positionOf(binding, request.pageToken);
  const pageSize = pageSizeOf(request.pageSize);
  const rows = (await collection
    .find({ ...filter, ...olderThan(position, 'receivedTime') })
    .sort({ receivedTime: -1, _id: -1 })
    .limit(pageSize + 1)
    .toArray()) as Row[];
  return pageOf(rows, pageSize, binding, ({ _id, receivedTime }) => ({
    id: _id,
    timeMs: receivedTime.getTime(),
  }));
}

export async function listConsents(
  { database }: Fleet,
  request: ListConsentsRequest,
): Promise<ListConsentsResponse> {
  const { deviceId } = request;
  const filter = deviceId === '' ? {} : { deviceId };
  const { page, nextPageToken } = await receivedPage(
    database.collections.consents,
    filter,
    ListConsentsRequestSchema,
    request,
  );
  return create(ListConsentsResponseSchema, {
    nextPageToken,
    consents: page.map((row) => ({
      deviceId: row.deviceId,
      receiveTime: timestampFromDate(row.receivedTime),
      consent: fromJson(ConsentSchema, row.record, reading),
    })),
  });
}

export async function listApplications(
  { database }: Fleet,
  request: ListApplicationsRequest,
): Promise<ListApplicationsResponse> {
  const { deviceId } = request;
  const filter = {
    to: { $in: ['applying_patch', 'applying_base'] },
    ...(deviceId !== '' && { deviceId }),
  };
  const { page, nextPageToken } = await receivedPage(
    database.collections.states,
    filter,
    ListApplicationsRequestSchema,
    request,
  );
  return create(ListApplicationsResponseSchema, {
    nextPageToken,
    applications: page.map((row) => ({
      deviceId: row.deviceId,
      receiveTime: timestampFromDate(row.receivedTime),
      journalId: row.journalId,
      move: fromJson(StateChangedSchema, row.record, reading),
    })),
  });
}
