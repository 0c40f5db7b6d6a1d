/** Finds packs: one, its manifest's bytes, or those that a filter selects. */
import { create } from '@bufbuild/protobuf';
import {
  type ListPacksRequest,
  ListPacksRequestSchema,
  type ListPacksResponse,
  ListPacksResponseSchema,
  PackState,
} from '@iotdh/proto/fleet/v1';
import type { ClientSession, Filter } from 'mongodb';
import type { PackDocument } from '../../../shared/database/collections.ts';
import { packMessage } from '../../../shared/messages/pack.ts';
import type { Fleet } from '../fleet.ts';
import { newestPage } from '../newest-page.ts';
import { refuse } from '../refusal.ts';

/** Refuses with `not_found`. */
export async function packNamed(
  fleet: Fleet,
  packId: string,
  session?: ClientSession,
): Promise<PackDocument> {
  const { packs } = fleet.database.collections;
  const pack = await packs.findOne({ _id: packId }, session && { session });
  return pack ?? refuse({ kind: 'not_found', resource: 'pack', id: packId });
}

/** The manifest's bytes as they were handed in. Throws when Blob Storage has lost them. */
export async function manifestBytes(
  fleet: Pick<Fleet, 'objects'>,
  { _id, manifest }: PackDocument,
): Promise<Uint8Array> {
  const bytes = await fleet.objects.read(manifest.digest, 0, manifest.size);
  if (bytes?.length !== manifest.size) throw new Error(`the manifest of pack ${_id} is not in Blob Storage`);
  return bytes;
}

const states: Partial<Record<PackState, PackDocument['state']>> = {
  [PackState.DRAFT]: 'draft',
  [PackState.PUBLISHED]: 'published',
  [PackState.YANKED]: 'yanked',
};

export async function listPacks(fleet: Fleet, request: ListPacksRequest): Promise<ListPacksResponse> {
  const wanted = request.states.flatMap((state) => states[state] ?? []);
  const filter: Filter<PackDocument> = {
    ...(request.name !== '' && { 'manifest.name': request.name }),
    ...(wanted.length > 0 && { state: { $in: wanted } }),
  };
  const { packs } = fleet.database.collections;
  const { page, nextPageToken } = await newestPage(
    packs,
    'createTime',
    filter,
    ListPacksRequestSchema,
    request,
  );
  return create(ListPacksResponseSchema, { packs: page.map(packMessage), nextPageToken });
}
