/** Writes one object: contents end to end, compressed where that helps, streaming, and named by what came out. */
import { createHash, randomUUID } from 'node:crypto';
import { open, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdCompress } from 'node:zlib';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { Codec, type Object$ as ManifestObject, ObjectSchema } from '@iotdh/proto/update/v1';
import { isCompressible, worthwhile } from './compressible.ts';
import { type Content, read } from './content.ts';
import { InvalidInput } from './problem.ts';
import { createSegments, segmentListObject, segmentSizeFor } from './segments.ts';

export type WriteOptions = {
  /** Where objects lie, each under its digest in hex. */
  folder: string;
  /** Of Zstandard, 1 to 19. */
  level: number;
  signal: AbortSignal;
  onBytes(count: number): void;
  /** The most digests of segments that stay in the manifest. Default 1,024: a gibibyte. */
  maxInlineSegments?: number;
};

/** 2^23: the contract's largest window for Zstandard. */
const zstdWindowLog = 23;

type Written = { digests: Uint8Array[]; digest: Uint8Array; bytes: number };

/** The object as the manifest describes it. Throws `InvalidInput` when a file is no longer what it was. */
export async function writeObject(
  contents: readonly Content[],
  options: WriteOptions,
): Promise<ManifestObject> {
  const { folder } = options;
  const totalBytes = contents.reduce((sum, { bytes }) => sum + bytes, 0);
  const segmentSize = segmentSizeFor(totalBytes);
  const temporary = join(folder, `.${randomUUID()}`);
  try {
    let codec = await codecFor(contents);
    let written = await write(contents, codec, temporary, segmentSize, totalBytes, options);
    if (codec === Codec.ZSTD && totalBytes > 0 && written.bytes >= totalBytes * worthwhile) {
      codec = Codec.NONE;
      written = await write(contents, codec, temporary, segmentSize, totalBytes, {
        ...options,
        onBytes: () => undefined,
      });
    }
    await rename(temporary, join(folder, Buffer.from(written.digest).toString('hex')));
    return create(ObjectSchema, {
      digest: written.digest,
      size: BigInt(written.bytes),
      contents: contents.map(({ digest, bytes }) => ({
        digest: Buffer.from(digest, 'hex'),
        size: BigInt(bytes),
      })),
      encoding: { case: 'whole', value: { codec } },
      segmentSize,
      segmentDigests: await segmentDigests(written.digests, options),
    });
  } finally {
    await rm(temporary, { force: true });
  }
}

/** An object has at least one byte, so empty contents are compressed: to a few. */
async function codecFor(contents: readonly Content[]): Promise<Codec> {
  const [only, ...more] = contents;
  if (only === undefined || more.length > 0) return Codec.ZSTD;
  return (await isCompressible(only.source, only.bytes)) ? Codec.ZSTD : Codec.NONE;
}

/** The digests of an object's segments, in the manifest or, when they are many, as an object of their own in the folder. */
export async function segmentDigests(
  digests: Uint8Array[],
  { folder, maxInlineSegments = 1_024 }: Pick<WriteOptions, 'folder' | 'maxInlineSegments'>,
): Promise<NonNullable<MessageInitShape<typeof ObjectSchema>['segmentDigests']>> {
  if (digests.length <= maxInlineSegments) return { case: 'segments', value: { digests } };
  const list = segmentListObject(digests);
  await writeFile(join(folder, Buffer.from(list.digest).toString('hex')), list.bytes);
  return { case: 'segmentListDigest', value: list.digest };
}

async function write(
  contents: readonly Content[],
  codec: Codec,
  path: string,
  segmentSize: number,
  totalBytes: number,
  { level, signal, onBytes }: WriteOptions,
): Promise<Written> {
  const segments = createSegments(segmentSize);
  const file = await open(path, 'w');
  try {
    const take = async (pieces: AsyncIterable<Uint8Array>) => {
      for await (const piece of pieces) {
        segments.add(piece);
        await file.writeFile(piece);
      }
    };
    const source = readVerified(contents, signal, onBytes);
    if (codec === Codec.NONE) {
      await take(source);
    } else {
      const params = {
        [constants.ZSTD_c_compressionLevel]: level,
        [constants.ZSTD_c_windowLog]: zstdWindowLog,
        [constants.ZSTD_c_checksumFlag]: 0,
      };
      await pipeline(source, createZstdCompress({ params, pledgedSrcSize: totalBytes }), take, { signal });
    }
  } finally {
    await file.close();
  }
  return segments.end();
}

/** The contents end to end, each checked against the digest that the manifest is going to name. */
async function* readVerified(
  contents: readonly Content[],
  signal: AbortSignal,
  onBytes: (count: number) => void,
): AsyncGenerator<Uint8Array> {
  for (const { source, digest } of contents) {
    const hash = createHash('sha256');
    for await (const piece of read(source, signal)) {
      hash.update(piece);
      onBytes(piece.length);
      yield piece;
    }
    if (hash.digest('hex') !== digest) {
      throw new InvalidInput([
        {
          file: source.path,
          field: '',
          message: 'was changed while the pack was being built; build it again',
        },
      ]);
    }
  }
}
