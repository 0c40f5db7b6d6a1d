/** Objects that decode, and bombs: objects that would yield far more than their contents have. */
import { constants, createZstdCompress } from 'node:zlib';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { ChunkListSchema, Codec, type Object$ as ManifestObject } from '@iotdh/proto/update/v1';
import { addChunked } from '../src/transfer/testing/forms.ts';
import { addObject, type Blobs, bytesOf, compress, hex } from '../src/transfer/testing/pack.ts';

export type DecodeSample = {
  object: ManifestObject;
  /** The object's bytes, and those of its contents end to end. */
  stored: Buffer;
  content: Buffer;
  /** Of a chunked object. */
  list: Buffer | null;
};

const codecs = [Codec.NONE, Codec.ZSTD, Codec.BROTLI] as const;
const bombBytes = 8 * 1024 * 1024;

export async function createDecodeSamples(): Promise<DecodeSample[]> {
  const samples: DecodeSample[] = [];
  for (const codec of codecs) {
    const blobs: Blobs = new Map();
    const add = (object: ManifestObject, content: Buffer) => {
      const list = object.encoding.case === 'chunked' ? object.encoding.value.chunkListDigest : null;
      const bytes = list && (blobs.get(hex(list)) ?? null);
      samples.push({ object, stored: blobs.get(hex(object.digest))!, content, list: bytes });
    };
    const [noise, text, empty] = [bytesOf(5_000, 1), Buffer.alloc(3_000, 'what repeats '), Buffer.alloc(0)];
    for (const contents of [[text], [empty, noise, text, empty], [noise]])
      add(addObject(blobs, contents, { codec }), Buffer.concat(contents));
    const mixed = Buffer.concat([text, noise, text, bytesOf(20_000, 2)]);
    add(await addChunked(blobs, mixed, 2, codec), mixed);
    if (codec === Codec.NONE) continue;
    const zeros = Buffer.alloc(1_000);
    for (const stored of [compress(Buffer.alloc(bombBytes), codec), await endlessWindow()]) {
      const object = addObject(blobs, [zeros], { codec });
      samples.push({ object, stored, content: zeros, list: null });
    }
    samples.push(await chunkedBomb(codec));
  }
  return samples;
}

/** Each group is a bomb, in a list in which everything adds up. */
async function chunkedBomb(codec: Codec): Promise<DecodeSample> {
  const blobs: Blobs = new Map();
  const content = Buffer.alloc(40_000, 7);
  const object = await addChunked(blobs, content, 2, codec);
  if (object.encoding.case !== 'chunked') throw new Error('it is not chunked');
  const list = fromBinary(ChunkListSchema, blobs.get(hex(object.encoding.value.chunkListDigest))!);
  const bomb = compress(Buffer.alloc(bombBytes, 7), codec);
  list.groupSizes = list.groupSizes.map(() => bomb.length);
  const stored = Buffer.concat(list.groupSizes.map(() => bomb));
  object.size = BigInt(stored.length);
  return { object, stored, content, list: Buffer.from(toBinary(ChunkListSchema, list)) };
}

/** A frame of Zstandard that asks for a window of 2^27 bytes, which the contract does not allow. */
async function endlessWindow(): Promise<Buffer> {
  const compressing = createZstdCompress({ params: { [constants.ZSTD_c_windowLog]: 27 } });
  compressing.end(Buffer.alloc(1_000));
  return Buffer.concat(await compressing.toArray());
}
