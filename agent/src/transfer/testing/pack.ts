/** Update packs for tests: real manifests over bytes that a seed determines, and the objects as blob storage would hold them. */
import { createHash } from 'node:crypto';
import { brotliCompressSync, constants, zstdCompressSync } from 'node:zlib';
import { create, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  Codec,
  DeltaFormat,
  type Manifest,
  type Object$ as ManifestObject,
  ManifestSchema,
  ObjectSchema,
  PartitionRole,
  SegmentListSchema,
} from '@iotdh/proto/update/v1';

export const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();
export const hex = (digest: Uint8Array): string => Buffer.from(digest).toString('hex');

/** A small generator with a seed (mulberry32), for bytes and for misbehaviour that can be repeated. */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function bytesOf(length: number, seed: number): Buffer {
  const random = createRandom(seed);
  return Buffer.from(Uint8Array.from({ length }, () => random() * 256));
}

export type Blobs = Map<string, Buffer>;

export type ObjectOptions = {
  codec?: Codec;
  segmentSize?: number;
  /** Whether the digests of the segments are an object of their own. */
  listed?: boolean;
  delta?: boolean;
};

/** Stores an object that yields these contents. */
export function addObject(blobs: Blobs, contents: Buffer[], options: ObjectOptions = {}): ManifestObject {
  const { codec = Codec.ZSTD, segmentSize = 16_384, listed = false, delta = false } = options;
  const stored = compress(Buffer.concat(contents), codec);
  blobs.set(hex(sha256(stored)), stored);
  const digests: Buffer[] = [];
  for (let offset = 0; offset < stored.length; offset += segmentSize) {
    digests.push(sha256(stored.subarray(offset, offset + segmentSize)));
  }
  const list = toBinary(SegmentListSchema, create(SegmentListSchema, { digests }));
  if (listed) blobs.set(hex(sha256(list)), Buffer.from(list));
  const base = [{ digest: sha256(Buffer.of(0)), size: 1n }];
  return create(ObjectSchema, {
    digest: sha256(stored),
    size: BigInt(stored.length),
    contents: contents.map((content) => ({ digest: sha256(content), size: BigInt(content.length) })),
    encoding: delta
      ? { case: 'delta', value: { format: DeltaFormat.SEGMENTED, codec, base } }
      : { case: 'whole', value: { codec } },
    segmentSize,
    segmentDigests: listed
      ? { case: 'segmentListDigest', value: sha256(list) }
      : { case: 'segments', value: { digests } },
  });
}

export function compress(bytes: Buffer, codec: Codec): Buffer {
  if (codec === Codec.ZSTD) return zstdCompressSync(bytes);
  if (codec === Codec.BROTLI)
    return brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } });
  return bytes;
}

export type Pack = { blobs: Blobs; manifest: { digest: Uint8Array; size: number }; contents: Buffer[] };

/** A BASE whose partitions are these contents. `change` may spoil the manifest before it is stored. */
export function createPack(
  blobs: Blobs,
  contents: Buffer[],
  objects: ManifestObject[],
  change: (manifest: Manifest) => void = () => {},
): Pack {
  const manifest = create(ManifestSchema, {
    formatVersion: 1,
    name: 'carto-base',
    version: '8.1',
    title: 'Carto 8.1',
    createTime: timestampFromMs(1_700_000_000_000),
    content: {
      case: 'base',
      value: {
        partitions: contents.map((content, index) => ({
          name: `part-${index}`,
          role: index === 0 ? PartitionRole.BOOT : PartitionRole.DATA,
          digest: sha256(content),
          minPartitionBytes: BigInt(content.length + 1),
        })),
      },
    },
    objects,
  });
  change(manifest);
  const bytes = Buffer.from(toBinary(ManifestSchema, manifest));
  const digest = sha256(bytes);
  blobs.set(hex(digest), bytes);
  return { blobs, contents, manifest: { digest, size: bytes.length } };
}

/** A pack of three contents in two objects, one of them with its list of segments apart. */
export function samplePack(seed = 1, scale = 1): Pack {
  const blobs: Blobs = new Map();
  const contents = [
    bytesOf(150_000 * scale, seed),
    Buffer.alloc(90_000 * scale, 'abc'),
    bytesOf(60_000 * scale, seed + 1),
  ];
  const [first, second, third] = contents as [Buffer, Buffer, Buffer];
  return createPack(blobs, contents, [
    addObject(blobs, [first, second], { codec: Codec.ZSTD, listed: true }),
    addObject(blobs, [third], { codec: Codec.NONE, segmentSize: 10_000 }),
  ]);
}
