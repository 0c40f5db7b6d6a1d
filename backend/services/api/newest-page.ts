/** A page of what was made at some time, the newest first. */
import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import type { Collection, Filter } from 'mongodb';
import { listBinding, olderThan, pageOf, pageSizeOf, positionOf } from './page-token.ts';

type Made = { _id: string; createTime: Date };

/** Of the documents that the filter selects. Refuses with `page_token_invalid`. */
export async function newestPage<Row extends Made, Desc extends DescMessage>(
  collection: Collection<Row>,
  filter: Filter<Row>,
  schema: Desc,
  request: MessageShape<Desc> & { pageSize: number; pageToken: string },
): Promise<{ page: Row[]; nextPageToken: string }> {
  const binding = listBinding(schema, request);
  const position = positionOf(binding, request.pageToken);
  const pageSize = pageSizeOf(request.pageSize);
  const rows = (await collection
    .find({ ...filter, ...olderThan(position, 'createTime') })
    .sort({ createTime: -1, _id: -1 })
    .limit(pageSize + 1)
    .toArray()) as Row[];
  return pageOf(rows, pageSize, binding, ({ _id, createTime }) => ({
    id: _id,
    timeMs: createTime.getTime(),
  }));
}
