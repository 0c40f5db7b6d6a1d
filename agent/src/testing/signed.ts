/** What signs the packs of tests: a repository of their own, whose files are objects of the cloud in memory like any other. */

import { create } from '@bufbuild/protobuf';
import {
  type ManifestRef,
  type MetadataFile,
  MetadataFileSchema,
  MetadataRole,
  UpdateKind,
} from '@iotdh/proto/update/v1';
import type { Repository } from '@iotdh/trust/testing';
import type { Blobs } from '../transfer/testing/pack.ts';

const roles = {
  root: MetadataRole.ROOT,
  targets: MetadataRole.TARGETS,
  snapshot: MetadataRole.SNAPSHOT,
  timestamp: MetadataRole.TIMESTAMP,
};

/** A manifest as the repository signs it. */
export function signedManifest({ name, version, digest, size, kind }: ManifestRef) {
  const isBase = kind === UpdateKind.BASE;
  return {
    ...{ name, version, size, digest: Buffer.from(digest).toString('hex') },
    kind: isBase ? ('base' as const) : ('patch' as const),
  };
}

/** What an offer names now; the files are among the blobs when this returns. */
export function offeredMetadata(repository: Repository, blobs: Blobs): MetadataFile[] {
  return repository.files().map(({ role, version, digest, size, bytes }) => {
    blobs.set(digest, Buffer.from(bytes));
    return create(MetadataFileSchema, {
      ...{ role: roles[role], version: BigInt(version), size },
      digest: Buffer.from(digest, 'hex'),
    });
  });
}
