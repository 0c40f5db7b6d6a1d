/** Refuses a pack for devices that must have had another version first, and names the pack that brings it. */
import { fromJson } from '@bufbuild/protobuf';
import { DeviceReportSchema } from '@iotdh/proto/fleet/v1';
import { firstMissing } from '@iotdh/proto/versions';
import type { ClientSession } from 'mongodb';
import type { DeviceDocument, PackDocument } from '../../../shared/database/collections.ts';
import type { Fleet } from '../fleet.ts';
import { refuse } from '../refusal.ts';

/** A device that has not reported yet is let through: it knows its versions itself, and refuses before a byte moves. */
export async function refuseSkipping(
  { database }: Fleet,
  pack: PackDocument,
  deviceIds: readonly string[],
  session: ClientSession,
): Promise<void> {
  const mustPassThrough = pack.mustPassThrough ?? [];
  if (mustPassThrough.length === 0) return;
  const { devices, packs } = database.collections;
  const found = await devices
    .find({ _id: { $in: [...deviceIds] } }, { projection: { report: 1 }, session })
    .toArray();
  const reports = new Map(found.map(({ _id, report }) => [_id, report]));
  for (const deviceId of deviceIds) {
    const histories = historiesIn(reports.get(deviceId) ?? null);
    if (histories === null) continue;
    const missing = firstMissing(mustPassThrough, (product) => histories.get(product) ?? []);
    if (missing === null) continue;
    const [first] = await packs
      .find({ state: 'published', products: { $elemMatch: missing } }, { session })
      .sort({ createTime: -1, _id: -1 })
      .limit(1)
      .toArray();
    refuse({
      kind: 'pass_through_missing',
      ...{ deviceId, missing },
      first: first === undefined ? null : { packId: first._id, ...first.manifest },
    });
  }
}

/** The versions of each product, oldest first. Null: the device has not reported. */
function historiesIn(report: DeviceDocument['report']): Map<string, string[]> | null {
  if (report === null) return null;
  const { inventory } = fromJson(DeviceReportSchema, report, { ignoreUnknownFields: true });
  return new Map(
    inventory.flatMap(({ product, earlierVersions }) =>
      product === undefined ? [] : [[product.product, [...earlierVersions, product.version]]],
    ),
  );
}
