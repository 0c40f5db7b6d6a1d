/** A pack for tests: one object of random bytes, with its list of segments apart, and a manifest that names both. */
import { createHash, randomBytes } from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Codec, ManifestSchema, PartitionRole, SegmentListSchema } from '@iotdh/proto/update/v1';
import type { Objects } from '../../../shared/blobs.ts';
import type { ManifestReference } from '../../../shared/database/collections.ts';

export type TestPack = {
  manifest: ManifestReference;
  /** The bytes that a device may ask for, by their digest in hex. */
  objects: Map<string, Buffer>;
  /** The digest of the one object. */
  object: string;
  list: string;
};

const segmentSize = 1024 * 1024;

const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();

export function createPack(bytes: number): TestPack {
  const content = randomBytes(bytes);
  const digests: Buffer[] = [];
  for (let offset = 0; offset < bytes; offset += segmentSize) {
    digests.push(sha256(content.subarray(offset, offset + segmentSize)));
  }
  const list = Buffer.from(toBinary(SegmentListSchema, create(SegmentListSchema, { digests })));
  const digest = sha256(content);
  const size = BigInt(bytes);
  const manifest = Buffer.from(
    toBinary(
      ManifestSchema,
      create(ManifestSchema, {
        formatVersion: 1,
        name: 'test-base',
        version: '1.0',
        title: 'A test',
        createTime: timestampFromMs(1_700_000_000_000),
        content: {
          case: 'base',
          value: {
            partitions: [{ name: 'boot', role: PartitionRole.BOOT, digest, minPartitionBytes: size }],
          },
        },
        objects: [
          {
            digest,
            size,
            contents: [{ digest, size }],
            encoding: { case: 'whole', value: { codec: Codec.NONE } },
            segmentSize,
            segmentDigests: { case: 'segmentListDigest', value: sha256(list) },
          },
        ],
      }),
    ),
  );
  const hex = (of: Buffer): string => sha256(of).toString('hex');
  return {
    manifest: {
      digest: hex(manifest),
      size: manifest.length,
      kind: 'base',
      name: 'test-base',
      version: '1.0',
    },
    objects: new Map([manifest, list, content].map((each): [string, Buffer] => [hex(each), each])),
    object: hex(content),
    list: hex(list),
  };
}

export async function storePack(objects: Pick<Objects, 'put'>, pack: TestPack): Promise<void> {
  for (const [digest, bytes] of pack.objects) await objects.put(digest, bytes);
}
