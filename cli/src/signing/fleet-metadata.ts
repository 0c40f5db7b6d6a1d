/** The metadata that a fleet has in force, as it answers them. */
import type { Client } from '@connectrpc/connect';
import type { SigningKey, TrustService } from '@iotdh/proto/fleet/v1';
import { MetadataRole } from '@iotdh/proto/update/v1';
import { hasItsId, Key, type Metadata, type Root, readMetadata, type Targets } from '@iotdh/trust/author';
import { exitCode } from '../exit-code.ts';
import { Failure } from '../failure.ts';

export type TrustClient = Pick<Client<typeof TrustService>, 'getTrust' | 'getMetadata' | 'publishMetadata'>;

/** What somebody says is in force: a fleet, or a folder that was passed on. Nothing of it is proven; see `trustedIn`. */
export type Found = {
  /** For people: `of the fleet`, or in which folder. */
  where: string;
  /** In the order of their versions. */
  roots: { version: number; bytes: Uint8Array }[];
  /** The newest first. Those in a folder may wait for signatures. */
  targets: Uint8Array[];
};

export type FleetMetadata = Found & {
  /** The newest. Null: there is none yet. */
  root: Metadata<Root> | null;
  online: { snapshot: Key; timestamp: Key };
};

export async function fetchMetadata(trust: TrustClient, signal?: AbortSignal): Promise<FleetMetadata> {
  const call = signal && { signal };
  const { files, snapshotKey, timestampKey } = await trust.getTrust({}, call);
  const roots = [];
  for (const { version } of files.filter(({ role }) => role === MetadataRole.ROOT)) {
    const { metadata } = await trust.getMetadata({ role: MetadataRole.ROOT, version }, call);
    roots.push({ version: Number(version), bytes: metadata });
  }
  const newest = roots.at(-1);
  const hasTargets = files.some(({ role }) => role === MetadataRole.TARGETS);
  const targets = hasTargets
    ? [(await trust.getMetadata({ role: MetadataRole.TARGETS }, call)).metadata]
    : [];
  return {
    ...{ where: 'of the fleet', roots, targets },
    root: newest === undefined ? null : parsedRoot(newest.bytes),
    online: { snapshot: keyOf(snapshotKey), timestamp: keyOf(timestampKey) },
  };
}

export function parsedRoot(bytes: Uint8Array): Metadata<Root> {
  const read = readMetadata('root', bytes);
  if (read.kind === 'refused') throw new Failure(exitCode.failed, read.detail);
  return read.metadata;
}

export function parsedTargets(bytes: Uint8Array): Metadata<Targets> {
  const read = readMetadata('targets', bytes);
  if (read.kind === 'refused') throw new Failure(exitCode.failed, read.detail);
  return read.metadata;
}

function keyOf(key: SigningKey | undefined): Key {
  if (key === undefined)
    throw new Failure(exitCode.failed, 'the fleet does not say which keys it signs with');
  const named = Key.fromJSON(key.keyId, {
    keytype: key.keyType,
    scheme: key.scheme,
    keyval: { public: key.publicKey },
  });
  if (hasItsId(named)) return named;
  throw new Failure(exitCode.failed, `the fleet answers a key as ${key.keyId}, which is the id of another`);
}
