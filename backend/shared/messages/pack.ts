/** A pack as the contract shows it, from what the database keeps. */
import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type Pack, PackSchema, PackState } from '@iotdh/proto/fleet/v1';
import { type ManifestRef, ManifestRefSchema, UpdateKind } from '@iotdh/proto/update/v1';
import type { ManifestReference, PackDocument } from '../database/collections.ts';
import { bigint } from './long.ts';

const kinds = { patch: UpdateKind.PATCH, base: UpdateKind.BASE } as const;

const states = {
  draft: PackState.DRAFT,
  published: PackState.PUBLISHED,
  yanked: PackState.YANKED,
} as const;

export function manifestRefMessage(reference: ManifestReference): ManifestRef {
  return create(ManifestRefSchema, {
    digest: Buffer.from(reference.digest, 'hex'),
    size: reference.size,
    kind: kinds[reference.kind],
    name: reference.name,
    version: reference.version,
  });
}

export function packMessage(document: PackDocument): Pack {
  const { publishTime, sbom } = document;
  return create(PackSchema, {
    packId: document._id,
    manifest: manifestRefMessage(document.manifest),
    title: document.title,
    summary: document.summary,
    state: states[document.state],
    objectBytes: bigint(document.objectBytes),
    createTime: timestampFromDate(document.createTime),
    ...(publishTime && { publishTime: timestampFromDate(publishTime) }),
    yankReason: document.yankReason,
    ...(sbom && { sbom: { digest: Buffer.from(sbom.digest, 'hex'), size: sbom.size } }),
  });
}
