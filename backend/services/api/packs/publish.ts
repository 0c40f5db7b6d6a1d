/** Makes a pack assignable, and keeps one from being assigned again. */

import { fromBinary } from '@bufbuild/protobuf';
import { ManifestSchema } from '@iotdh/proto/update/v1';
import type { PackDocument } from '../../../shared/database/collections.ts';
import { appendEvents } from '../../../shared/database/events.ts';
import { packEvent } from '../../../shared/messages/fleet-event.ts';
import { neededObjects } from '../../../shared/needed-objects.ts';
import { commit, type Fleet } from '../fleet.ts';
import { refuse } from '../refusal.ts';
import { manifestBytes, packNamed } from './find.ts';
import type { ObjectCheck } from './pack-objects.ts';

export async function publishPack(fleet: Fleet, check: ObjectCheck, packId: string): Promise<PackDocument> {
  const pack = await packNamed(fleet, packId);
  if (pack.state === 'published') return pack;
  refuseYanked(pack);
  const needed = neededObjects(fromBinary(ManifestSchema, await manifestBytes(fleet, pack)), pack.sbom);
  const wrong = await check.wrong(needed);
  if (wrong.length > 0) return refuse({ kind: 'objects_missing', packId, digests: wrong });
  const { name, version } = pack.manifest;
  if (!(await fleet.repository.signs(pack.manifest, pack.sbom ?? null))) {
    return refuse({ kind: 'pack_not_signed', packId, path: `${name}/${version}`, for: 'publish' });
  }
  return change(fleet, packId, (current, now) => {
    if (current.state === 'published') return null;
    refuseYanked(current);
    return { state: 'published', publishTime: now };
  });
}

export function yankPack(fleet: Fleet, packId: string, reason: string): Promise<PackDocument> {
  return change(fleet, packId, (current) =>
    current.state === 'yanked' ? null : { state: 'yanked', yankReason: reason },
  );
}

function refuseYanked({ _id, state, yankReason }: PackDocument): void {
  if (state === 'yanked') {
    refuse({ kind: 'pack_not_assignable', packId: _id, why: `was yanked: ${yankReason}` });
  }
}

/** Null from `decide`: nothing changes. */
function change(
  fleet: Fleet,
  packId: string,
  decide: (current: PackDocument, now: Date) => Partial<PackDocument> | null,
): Promise<PackDocument> {
  return commit(fleet, async (session) => {
    const { packs, events, counters } = fleet.database.collections;
    const current = await packNamed(fleet, packId, session);
    const now = new Date(fleet.clock.now());
    const changed = decide(current, now);
    if (changed === null) return current;
    const after: PackDocument = { ...current, ...changed };
    await packs.updateOne({ _id: packId }, { $set: changed }, { session });
    await appendEvents(session, { events, counters }, [packEvent(after)], now);
    return after;
  });
}
