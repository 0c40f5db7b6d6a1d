/** Signed metadata as the contract names them, and those that an offer takes along. */
import { create } from '@bufbuild/protobuf';
import { type MetadataFile, MetadataFileSchema, MetadataRole } from '@iotdh/proto/update/v1';
import type { ClientSession } from 'mongodb';
import type { Collections, MetadataDocument } from '../database/collections.ts';
import { bigint } from './long.ts';

export const metadataRoles = {
  root: MetadataRole.ROOT,
  targets: MetadataRole.TARGETS,
  snapshot: MetadataRole.SNAPSHOT,
  timestamp: MetadataRole.TIMESTAMP,
} as const;

export type MetadataRoleName = keyof typeof metadataRoles;

/** With the newest of the other roles: what an UpgradeOffer holds. A device that missed more roots needs a newer anchor. */
const maxRoots = 64;

export function metadataFileMessage({ role, version, digest, size }: MetadataDocument): MetadataFile {
  return create(MetadataFileSchema, {
    role: metadataRoles[role],
    version: bigint(version),
    digest: Buffer.from(digest, 'hex'),
    size,
  });
}

/** The newest file of each role, and of roots so many of those before it. Empty: the fleet has none. */
export async function metadataInForce(
  metadata: Collections['metadata'],
  options: { roots?: number; session?: ClientSession } = {},
): Promise<MetadataDocument[]> {
  const { roots = maxRoots, session } = options;
  const newest = (role: MetadataRoleName, limit: number) =>
    metadata
      .find({ role }, session && { session })
      .sort({ version: -1 })
      .limit(limit)
      .toArray();
  // One after another: a session does one thing at a time.
  const found = (await newest('root', roots)).reverse();
  for (const role of ['targets', 'snapshot', 'timestamp'] as const) found.push(...(await newest(role, 1)));
  return found;
}
