/** Access to single blobs: an operator's tool writes what a draft lacks, a device reads what is assigned to it. All or none. */
import { create, fromBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { type BlobAccess, BlobAccessSchema } from '@iotdh/proto/broker/v1';
import { ManifestSchema } from '@iotdh/proto/update/v1';
import { LRUCache } from 'lru-cache';
import type { Objects } from '../../shared/blobs.ts';
import type { Clock } from '../../shared/clock.ts';
import type { Collections, ManifestReference, PackDocument } from '../../shared/database/collections.ts';
import { neededObjects } from '../../shared/needed-objects.ts';
import { refuse } from './refusal.ts';

export type BlobAccessOptions = {
  collections: Pick<Collections, 'packs' | 'assignments' | 'metadata'>;
  objects: Pick<Objects, 'read' | 'readUrl' | 'writeUrl'>;
  clock: Clock;
};

export type BlobAccessIssuer = {
  /** To create objects of a draft, its bill of materials among them; one that exists cannot be replaced. Digests in hex. */
  toWrite(packId: string, digests: readonly string[]): Promise<BlobAccess[]>;
  /** To read the bill of materials of a pack. */
  toReadSbom(packId: string, digests: readonly string[]): Promise<BlobAccess[]>;
  /** To read objects of an assignment of this device that goes on, and the signed metadata that vouch for its manifest. */
  toRead(deviceId: string, assignmentId: string, digests: readonly string[]): Promise<BlobAccess[]>;
};

/** The contract's most, less what a clock of the storage may be ahead. */
const lifeMs = 55 * 60_000;
/** Digests of a manifest's objects are asked for in many small requests. */
const maxManifests = 16;

const sbomOf = ({ sbom }: PackDocument): ReadonlySet<string> => new Set(sbom ? [sbom.digest] : []);

export function createBlobAccess({ collections, objects, clock }: BlobAccessOptions): BlobAccessIssuer {
  const known = new LRUCache<string, ReadonlySet<string>>({ max: maxManifests });

  /** The digests of a manifest's objects. A manifest never changes under its digest. */
  async function objectsOf({ digest, size }: ManifestReference): Promise<ReadonlySet<string>> {
    const before = known.get(digest);
    if (before !== undefined) return before;
    const bytes = await objects.read(digest, 0, size);
    if (bytes === null) throw new Error(`manifest ${digest} is not in Blob Storage`);
    const digests = new Set(neededObjects(fromBinary(ManifestSchema, bytes)).keys());
    known.set(digest, digests);
    return digests;
  }

  /** Those of these digests that are signed metadata, whichever version: they are the fleet's, and no secret from its devices. */
  async function metadataAmong(digests: readonly string[]): Promise<ReadonlySet<string>> {
    if (digests.length === 0) return new Set();
    const found = await collections.metadata.find({ digest: { $in: [...digests] } }).toArray();
    return new Set(found.map(({ digest }) => digest));
  }

  async function grant(
    digests: readonly string[],
    permitted: readonly ReadonlySet<string>[],
    url: (digest: string, ttlMs: number) => Promise<string>,
  ): Promise<BlobAccess[]> {
    for (const digest of digests) {
      if (!permitted.some((set) => set.has(digest))) refuse({ kind: 'access_refused', digest });
    }
    const expireTime = timestampFromMs(clock.now() + lifeMs);
    return Promise.all(
      digests.map(async (digest) =>
        create(BlobAccessSchema, {
          objectDigest: Buffer.from(digest, 'hex'),
          url: await url(digest, lifeMs),
          expireTime,
        }),
      ),
    );
  }

  return {
    async toWrite(packId, digests) {
      const pack = await collections.packs.findOne({ _id: packId, state: 'draft' });
      const permitted = pack === null ? [] : [await objectsOf(pack.manifest), sbomOf(pack)];
      return grant(digests, permitted, objects.writeUrl);
    },
    async toReadSbom(packId, digests) {
      const pack = await collections.packs.findOne({ _id: packId });
      return grant(digests, pack === null ? [] : [sbomOf(pack)], objects.readUrl);
    },
    async toRead(deviceId, assignmentId, digests) {
      const assignment = await collections.assignments.findOne({ _id: assignmentId, deviceId, goesOn: true });
      const permitted: ReadonlySet<string>[] = [];
      if (assignment === null) return grant(digests, permitted, objects.readUrl);
      for (const manifest of [assignment.manifest, assignment.fallback]) {
        if (manifest) permitted.push(new Set([manifest.digest]), await objectsOf(manifest));
      }
      const others = digests.filter((digest) => !permitted.some((set) => set.has(digest)));
      permitted.push(await metadataAmong(others));
      return grant(digests, permitted, objects.readUrl);
    },
  };
}
