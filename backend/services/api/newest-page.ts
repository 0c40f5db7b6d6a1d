/** A page of what was made or received at some time, the newest first. */
import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import type { Collection, Filter } from 'mongodb';
import { listBinding, olderThan, pageOf, pageSizeOf, positionOf } from './page-token.ts';

/** Of the documents that the filter selects, in the order of their `timeField`. Refuses with `page_token_invalid`. */
export async function newestPage<
  Field extends 'createTime' | 'receivedTime',
  Row extends { _id: string } & Readonly<Record<Field, Date>>,
  Desc extends DescMessage,
>(
  collection: Collection<Row>,
  timeField: Field,
  filter: Filter<Row>,
  schema: Desc,
  request: MessageShape<Desc> & { pageSize: number; pageToken: string },
): Promise<{ page: Row[]; nextPageToken: string }> {
  const binding = listBinding(schema, request);
  const position = positionOf(binding, request.pageToken);
  const pageSize = pageSizeOf(request.pageSize);
  const rows = (await collection
    .find({ ...filter, ...olderThan(position, timeField) })
    .sort({ [timeField]: -1, _id: -1 })
    .limit(pageSize + 1)
    .toArray()) as Row[];
  return pageOf(rows, pageSize, binding, (row) => ({ id: row._id, timeMs: row[timeField].getTime() }));
}
