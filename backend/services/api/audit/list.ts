/** The audit trail as it was received: decisions with their evidence, and the moves with which updates began to be applied. */
import { create, fromJson } from '@bufbuild/protobuf';
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
import type { Fleet } from '../fleet.ts';
import { newestPage } from '../newest-page.ts';

const reading = { ignoreUnknownFields: true };

export async function listConsents(
  { database }: Fleet,
  request: ListConsentsRequest,
): Promise<ListConsentsResponse> {
  const { deviceId } = request;
  const filter = deviceId === '' ? {} : { deviceId };
  const { page, nextPageToken } = await newestPage(
    database.collections.consents,
    'receivedTime',
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
  const { page, nextPageToken } = await newestPage(
    database.collections.states,
    'receivedTime',
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
