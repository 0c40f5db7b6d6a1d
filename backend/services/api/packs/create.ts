/** Takes a manifest in: its bytes become an object, and then a draft. A crash between the two leaves an object that a retry finds. */
import { createHash } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import {
  type CreatePackRequest,
  type CreatePackResponse,
  CreatePackResponseSchema,
} from '@iotdh/proto/fleet/v1';
import type { Manifest, ProductVersion } from '@iotdh/proto/update/v1';
import { Long } from 'mongodb';
import type {
  PackDocument,
  ProductVersionRecord,
  SbomReference,
} from '../../../shared/database/collections.ts';
import { appendEvents } from '../../../shared/database/events.ts';
import { packEvent } from '../../../shared/messages/fleet-event.ts';
import { packMessage } from '../../../shared/messages/pack.ts';
import { neededObjects, objectBytes } from '../../../shared/needed-objects.ts';
import { commit, type Fleet, isDuplicate } from '../fleet.ts';
import { refuse } from '../refusal.ts';
import type { ReadManifest } from './manifest-problems.ts';
import type { ObjectCheck } from './pack-objects.ts';

export type PackIntake = {
  readManifest(bytes: Uint8Array): ReadManifest;
  check: ObjectCheck;
};

export async function createPack(
  fleet: Fleet,
  { readManifest, check }: PackIntake,
  { manifest: bytes, sbom: named }: Pick<CreatePackRequest, 'manifest' | 'sbom'>,
): Promise<CreatePackResponse> {
  const read = readManifest(bytes);
  if (read.kind === 'rejected') return refuse({ kind: 'manifest_rejected', problems: read.problems });
  const digest = createHash('sha256').update(bytes).digest('hex');
  const { manifest } = read;
  const sbom = named ? { digest: Buffer.from(named.digest).toString('hex'), size: named.size } : null;
  const before = await existing(fleet, digest, manifest);
  const pack = before
    ? await withSbom(fleet, before, sbom)
    : await keep(fleet, bytes, { digest, manifest, sbom });
  const missing = await check.absent(neededObjects(manifest, pack.sbom));
  return create(CreatePackResponseSchema, {
    pack: packMessage(pack),
    missingObjectDigests: missing.map((name) => Buffer.from(name, 'hex')),
  });
}

/** The pack that these bytes are already. Refuses when another one has the name and the version. */
async function existing(fleet: Fleet, digest: string, manifest: Manifest): Promise<PackDocument | null> {
  const { packs } = fleet.database.collections;
  const same = await packs.findOne({ 'manifest.digest': digest });
  if (same !== null) return same;
  const { name, version } = manifest;
  const other = await packs.findOne({ 'manifest.name': name, 'manifest.version': version });
  return other === null ? null : refuse({ kind: 'conflict', resource: 'pack', id: other._id });
}

/** What is published, or was, keeps the bill of materials that was signed. */
async function withSbom(fleet: Fleet, pack: PackDocument, sbom: SbomReference | null): Promise<PackDocument> {
  if (sbom === null || pack.state !== 'draft') return pack;
  const { packs } = fleet.database.collections;
  await packs.updateOne({ _id: pack._id, state: 'draft' }, { $set: { sbom } });
  return (await packs.findOne({ _id: pack._id })) ?? pack;
}

async function keep(
  fleet: Fleet,
  bytes: Uint8Array,
  { digest, manifest, sbom }: { digest: string; manifest: Manifest; sbom: SbomReference | null },
): Promise<PackDocument> {
  const { packs, events, counters } = fleet.database.collections;
  await fleet.objects.put(digest, bytes);
  const { name, version, title, summary, content } = manifest;
  const now = new Date(fleet.clock.now());
  const pack: PackDocument = {
    _id: fleet.newId(),
    manifest: {
      digest,
      size: bytes.byteLength,
      kind: content.case === 'base' ? 'base' : 'patch',
      name,
      version,
    },
    title,
    summary,
    state: 'draft',
    objectBytes: Long.fromNumber(objectBytes(neededObjects(manifest))),
    createTime: now,
    publishTime: null,
    yankReason: '',
    sbom,
    products: productsOf(manifest),
    mustPassThrough: (manifest.requirements?.mustPassThrough ?? []).map(recordOf),
  };
  try {
    await commit(fleet, async (session) => {
      await packs.insertOne(pack, { session });
      await appendEvents(session, { events, counters }, [packEvent(pack)], now);
    });
    return pack;
  } catch (error) {
    if (!isDuplicate(error)) throw error;
    // Another replica was faster, with the same manifest or with one of the same name and version.
    const faster = await existing(fleet, digest, manifest);
    if (faster === null) throw error;
    return faster;
  }
}

const recordOf = ({ product, version }: ProductVersion): ProductVersionRecord => ({ product, version });

/** The versions that a machine has once the pack is applied. */
function productsOf({ content }: Manifest): ProductVersionRecord[] {
  if (content.case === 'base') return content.value.products.map(recordOf);
  const components = content.case === 'patch' ? content.value.components : [];
  return components.flatMap(({ kind: { case: name, value } }) =>
    (name === 'hostApplication' || name === 'thirdPartyApplication' || name === 'managedProduct') &&
    value.product !== undefined
      ? [recordOf(value.product)]
      : [],
  );
}
