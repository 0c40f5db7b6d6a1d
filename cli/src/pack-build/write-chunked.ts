/**
 * Writes a large content as a chunked object: cut where its bytes say, the chunks in groups that are compressed by themselves, so
 * that a device which has most of the chunks carries the groups of the others.
 */
import { createHash, randomUUID } from 'node:crypto';
import { type FileHandle, open, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { constants, zstdCompress } from 'node:zlib';
import { create, toBinary } from '@bufbuild/protobuf';
import { type Chunking, chunksOf } from '@iotdh/delta/chunks';
import { maxSegments } from '@iotdh/proto/objects';
import { ChunkListSchema, Codec, type Object$ as ManifestObject, ObjectSchema } from '@iotdh/proto/update/v1';
import { isCompressible } from './compressible.ts';
import type { Content } from './content.ts';
import { InvalidInput } from './problem.ts';
import { createSegments } from './segments.ts';
import { segmentDigests, type WriteOptions } from './write-object.ts';

/** From here on a content is worth a list of its chunks: 64 of them. */
export const minChunkedBytes = 4 * 1024 * 1024;

const kibibyte = 1024;
/** The contract's limits of a list. */
const maxChunks = 262_144;
const maxAverage = 1024 * kibibyte;
/**
 * How many bytes of contents a group has, unless a chunk alone has more. A device carries whole groups: larger ones are smaller
 * together, and are carried more often for one chunk.
 */
const groupBytes = 256 * kibibyte;
/** A device carries whole segments, so they are small; larger only where they would be too many. */
const segmentBytes = 64 * kibibyte;
/** What compressing may add to bytes that do not become smaller, group by group: see `mostStoredBytes`. */
const mostGrowth = 1.01;

const compress = promisify(zstdCompress);

/** 64 KiB on average, and more only where the chunks would be too many. Null: too large for a list. */
export function chunkingFor(bytes: number): Chunking | null {
  let average = 64 * kibibyte;
  // Cuts are not even: a fifth more than the average is as many as there are.
  while ((bytes / average) * 1.2 > maxChunks) average *= 2;
  return average > maxAverage ? null : { min: average / 4, average, max: average * 4 };
}

type Group = { chunks: { digest: Buffer; size: number }[]; bytes: Buffer };

/** The object as the manifest describes it. Throws `InvalidInput` when the file is no longer what it was. */
export async function writeChunked(
  content: Content & { source: { kind: 'file' } },
  chunking: Chunking,
  options: WriteOptions,
): Promise<ManifestObject> {
  const { folder, signal, level } = options;
  const codec = (await isCompressible(content.source, content.bytes)) ? Codec.ZSTD : Codec.NONE;
  const params = { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 0 };
  const pack = (bytes: Buffer) =>
    codec === Codec.NONE ? Promise.resolve(bytes) : compress(bytes, { params });

  let segmentSize = segmentBytes;
  while ((content.bytes * mostGrowth) / segmentSize > maxSegments) segmentSize *= 2;
  const segments = createSegments(segmentSize);
  const list = { sizes: [] as number[], groupChunks: [] as number[], groupSizes: [] as number[] };
  const digests: Buffer[] = [];
  const temporary = join(folder, `.${randomUUID()}`);
  const target = await open(temporary, 'w');
  try {
    for await (const { chunks, bytes } of groupsOf(content, chunking, options)) {
      const stored = await pack(bytes);
      segments.add(stored);
      await target.writeFile(stored);
      list.groupChunks.push(chunks.length);
      list.groupSizes.push(stored.length);
      for (const { digest, size } of chunks) {
        digests.push(digest);
        list.sizes.push(size);
      }
      signal.throwIfAborted();
    }
    await target.close();
    const written = segments.end();
    const encoded = toBinary(
      ChunkListSchema,
      create(ChunkListSchema, { ...list, digests: Buffer.concat(digests) }),
    );
    const listDigest = createHash('sha256').update(encoded).digest();
    await writeFile(join(folder, listDigest.toString('hex')), encoded);
    await rename(temporary, join(folder, Buffer.from(written.digest).toString('hex')));
    return create(ObjectSchema, {
      digest: written.digest,
      size: BigInt(written.bytes),
      contents: [{ digest: Buffer.from(content.digest, 'hex'), size: BigInt(content.bytes) }],
      encoding: {
        case: 'chunked',
        value: {
          codec,
          chunking: { minSize: chunking.min, averageSize: chunking.average, maxSize: chunking.max },
          chunkListDigest: listDigest,
          chunkListSize: encoded.length,
        },
      },
      segmentSize,
      segmentDigests: await segmentDigests(written.digests, options),
    });
  } finally {
    await target.close().catch(() => undefined);
    await rm(temporary, { force: true });
  }
}

/** The chunks of a file in groups, checked as a whole against the digest that the manifest is going to name. */
async function* groupsOf(
  { source, digest, bytes }: Content & { source: { kind: 'file' } },
  chunking: Chunking,
  { signal, onBytes }: WriteOptions,
): AsyncGenerator<Group> {
  const whole = createHash('sha256');
  const file = await open(source.path);
  const changed = () =>
    new InvalidInput([
      { file: source.path, field: '', message: 'was changed while the pack was being built; build it again' },
    ]);
  let pieces: Buffer[] = [];
  let chunks: Group['chunks'] = [];
  let filled = 0;
  const group = (): Group => {
    const made = { chunks, bytes: Buffer.concat(pieces, filled) };
    pieces = [];
    chunks = [];
    filled = 0;
    return made;
  };
  try {
    for await (const chunk of chunksOf(sourceOf(file, bytes, changed), chunking, signal)) {
      const copy = Buffer.from(chunk.bytes);
      whole.update(copy);
      onBytes(copy.length);
      if (filled > 0 && filled + copy.length > groupBytes) yield group();
      pieces.push(copy);
      chunks.push({ digest: createHash('sha256').update(copy).digest(), size: copy.length });
      filled += copy.length;
    }
    if (filled > 0) yield group();
  } finally {
    await file.close();
  }
  if (whole.digest('hex') !== digest) throw changed();
}

function sourceOf(file: FileHandle, size: number, changed: () => Error) {
  return {
    size,
    async read(into: Uint8Array, position: number) {
      for (let filled = 0; filled < into.length; ) {
        const { bytesRead } = await file.read(into, filled, into.length - filled, position + filled);
        if (bytesRead === 0) throw changed();
        filled += bytesRead;
      }
    },
  };
}
