/** Writes one delta object, and applies it once before it is kept: what a device is sent has been seen to work. */
import { createHash, randomUUID } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { applyDelta, bytesReader, concatenatedReader, type Producer, type Reader } from '@iotdh/delta';
import { Codec, DeltaFormat, type Object$ as ManifestObject, ObjectSchema } from '@iotdh/proto/update/v1';
import type { Content } from './content.ts';
import { InvalidInput } from './problem.ts';
import { createSegments, segmentSizeFor } from './segments.ts';
import { segmentDigests, type WriteOptions } from './write-object.ts';

export type WriteDeltaOptions = WriteOptions & {
  producer: Producer;
  /** Of more bytes it is given up. */
  maxBytes: number;
};

/** The object, or undefined: it would not be smaller than `maxBytes`. Throws `InvalidInput` when a file is no longer what it was. */
export async function writeDelta(
  contents: readonly Content[],
  bases: readonly Content[],
  options: WriteDeltaOptions,
): Promise<ManifestObject | undefined> {
  const { folder, producer, maxBytes, signal, onBytes } = options;
  const [base, output] = [readerOf(bases), readerOf(contents)];
  const temporary = join(folder, `.${randomUUID()}`);
  const segmentSize = segmentSizeFor(maxBytes);
  const segments = createSegments(segmentSize);
  const file = await open(temporary, 'w+');
  try {
    let size = 0;
    let done = 0;
    const onProgress = (doneBytes: number) => {
      onBytes(doneBytes - done);
      done = doneBytes;
    };
    for await (const piece of producer.produce({ base, output, signal, onProgress })) {
      size += piece.length;
      if (size >= maxBytes) return undefined;
      segments.add(piece);
      await file.writeFile(piece);
    }
    const delta: Reader = { size, read: (into, position) => readFully(file, into, position) };
    await requireYields(applyDelta({ delta, base, signal }), contents);
    const written = segments.end();
    await rename(temporary, join(folder, Buffer.from(written.digest).toString('hex')));
    return create(ObjectSchema, {
      digest: written.digest,
      size: BigInt(written.bytes),
      contents: contents.map(described),
      encoding: {
        case: 'delta',
        value: { format: DeltaFormat.SEGMENTED, codec: Codec.ZSTD, base: bases.map(described) },
      },
      segmentSize,
      segmentDigests: await segmentDigests(written.digests, options),
    });
  } finally {
    await file.close();
    await rm(temporary, { force: true });
  }
}

const described = ({ digest, bytes }: Content) => ({
  digest: Buffer.from(digest, 'hex'),
  size: BigInt(bytes),
});

/** The contents end to end. A file is open only while it is read: there may be thousands. */
function readerOf(contents: readonly Content[]): Reader {
  return concatenatedReader(
    contents.map(({ source, bytes }) =>
      source.kind === 'text'
        ? bytesReader(source.bytes)
        : {
            size: bytes,
            async read(into, position) {
              const file = await open(source.path);
              try {
                await readFully(file, into, position);
              } finally {
                await file.close();
              }
            },
          },
    ),
  );
}

async function readFully(
  file: Awaited<ReturnType<typeof open>>,
  into: Uint8Array,
  position: number,
): Promise<void> {
  for (let at = 0; at < into.length; ) {
    const { bytesRead } = await file.read(into, at, into.length - at, position + at);
    if (bytesRead === 0) throw new Error(`a file ends before byte ${position + into.length}`);
    at += bytesRead;
  }
}

/** Each content by its digest. */
async function requireYields(pieces: AsyncIterable<Uint8Array>, contents: readonly Content[]): Promise<void> {
  let index = 0;
  let hash = createHash('sha256');
  let lacking = contents[0]?.bytes ?? 0;
  const finish = () => {
    const content = contents[index]!;
    if (hash.digest('hex') !== content.digest) {
      const message = 'was changed while the pack was being built; build it again';
      throw new InvalidInput([{ file: content.source.path, field: '', message }]);
    }
    index += 1;
    hash = createHash('sha256');
    lacking = contents[index]?.bytes ?? 0;
  };
  for await (const piece of pieces) {
    for (let rest = piece; rest.length > 0; ) {
      const part = rest.subarray(0, lacking);
      hash.update(part);
      lacking -= part.length;
      rest = rest.subarray(part.length);
      if (lacking === 0) finish();
    }
  }
}
