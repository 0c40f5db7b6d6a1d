/** Packs whose contents come in several forms: whole, as a delta of what a machine had, and as chunks. */
import { create, toBinary } from '@bufbuild/protobuf';
import { bytesReader, produceDelta } from '@iotdh/delta';
import { type Chunking, chunksOf } from '@iotdh/delta/chunks';
import {
  ChunkListSchema,
  Codec,
  DeltaFormat,
  FileSetMode,
  type Object$ as ManifestObject,
  ManifestSchema,
  ObjectSchema,
} from '@iotdh/proto/update/v1';
import { type Blobs, compress, createPack, hex, type Pack, sha256 } from './pack.ts';

export const smallChunks: Chunking = { min: 1024, average: 4096, max: 16_384 };

function store(
  blobs: Blobs,
  stored: Buffer,
  contents: readonly Buffer[],
  encoding: ManifestObject['encoding'],
  segmentSize: number,
): ManifestObject {
  blobs.set(hex(sha256(stored)), stored);
  const digests: Buffer[] = [];
  for (let at = 0; at < stored.length; at += segmentSize)
    digests.push(sha256(stored.subarray(at, at + segmentSize)));
  return create(ObjectSchema, {
    digest: sha256(stored),
    size: BigInt(stored.length),
    contents: contents.map((content) => ({ digest: sha256(content), size: BigInt(content.length) })),
    encoding,
    segmentSize,
    segmentDigests: { case: 'segments', value: { digests } },
  });
}

/** Stores a delta against what these contents are end to end. */
export async function addDelta(
  blobs: Blobs,
  base: readonly Buffer[],
  content: Buffer,
): Promise<ManifestObject> {
  const pieces: Uint8Array[] = [];
  const options = {
    base: bytesReader(Buffer.concat(base)),
    output: bytesReader(content),
    level: 3,
    threads: 1,
  };
  for await (const piece of produceDelta(options)) pieces.push(Buffer.from(piece));
  const value = create(ObjectSchema, {
    encoding: {
      case: 'delta',
      value: {
        format: DeltaFormat.SEGMENTED,
        codec: Codec.ZSTD,
        base: base.map((part) => ({ digest: sha256(part), size: BigInt(part.length) })),
      },
    },
  });
  return store(blobs, Buffer.concat(pieces), [content], value.encoding, 4096);
}

/** Stores a content as chunks, of which so many share a group. */
export async function addChunked(
  blobs: Blobs,
  content: Buffer,
  groupChunks = 2,
  codec: Codec = Codec.ZSTD,
): Promise<ManifestObject> {
  const digests: Buffer[] = [];
  const sizes: number[] = [];
  const groups: Buffer[][] = [];
  for await (const { bytes } of chunksOf(bytesReader(content), smallChunks)) {
    if (digests.length % groupChunks === 0) groups.push([]);
    digests.push(sha256(bytes));
    sizes.push(bytes.length);
    groups.at(-1)?.push(Buffer.from(bytes));
  }
  const stored = groups.map((group) => compress(Buffer.concat(group), codec));
  const list = Buffer.from(
    toBinary(
      ChunkListSchema,
      create(ChunkListSchema, {
        ...{ digests: Buffer.concat(digests), sizes },
        groupChunks: groups.map(({ length }) => length),
        groupSizes: stored.map(({ length }) => length),
      }),
    ),
  );
  blobs.set(hex(sha256(list)), list);
  const { min, average, max } = smallChunks;
  const { encoding } = create(ObjectSchema, {
    encoding: {
      case: 'chunked',
      value: {
        codec,
        chunking: { minSize: min, averageSize: average, maxSize: max },
        chunkListDigest: sha256(list),
        chunkListSize: list.length,
      },
    },
  });
  return store(blobs, Buffer.concat(stored), [content], encoding, 4096);
}

/** A PATCH that puts these files into the root `app`. */
export function createPatchPack(
  blobs: Blobs,
  files: Readonly<Record<string, Buffer>>,
  objects: ManifestObject[],
): Pack {
  return createPack(blobs, Object.values(files), objects, (manifest) => {
    const set = {
      root: 'app',
      mode: FileSetMode.REPLACE_ROOT,
      files: Object.entries(files).map(([path, content]) => ({ path, digest: sha256(content) })),
    };
    const product = { product: 'Carto', version: '8.1' };
    const patch = {
      components: [
        {
          ...{ id: 'app', title: 'The application' },
          kind: { case: 'hostApplication' as const, value: { product, files: set } },
          undo: { kind: { case: 'restorePrevious' as const, value: {} } },
        },
      ],
    };
    Object.assign(manifest, create(ManifestSchema, { content: { case: 'patch', value: patch } }), {
      formatVersion: manifest.formatVersion,
      name: manifest.name,
      version: manifest.version,
      title: manifest.title,
      createTime: manifest.createTime,
      objects: manifest.objects,
    });
  });
}
