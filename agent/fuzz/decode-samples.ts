/** Objects that decode, and bombs: objects that would yield far more than their contents have. */
import { constants, createZstdCompress } from 'node:zlib';
import { Codec, type Object$ as ManifestObject } from '@iotdh/proto/update/v1';
import { addChunked } from '../src/transfer/testing/forms.ts';
import { addObject, type Blobs, bytesOf, compress, hex, sha256 } from '../src/transfer/testing/pack.ts';

export type DecodeSample = {
  object: ManifestObject;
  /** The object's bytes, and those of its contents end to end. */
  stored: Buffer;
  content: Buffer;
  /** Of a chunked object. */
  list: Buffer | null;
};

const codecs = [Codec.NONE, Codec.ZSTD, Codec.BROTLI] as const;
const bombBytes = 16 * 1024 * 1024;

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
    const small = Buffer.alloc(12_000, 7);
    const chunked = await addChunked(blobs, small, 2, codec);
    const list = chunked.encoding.case === 'chunked' ? chunked.encoding.value.chunkListDigest : sha256(small);
    const [stored, bomb] = [blobs.get(hex(chunked.digest))!, compress(Buffer.alloc(bombBytes, 7), codec)];
    samples.push({
      ...{ object: chunked, content: small, list: blobs.get(hex(list))! },
      stored: Buffer.concat([bomb, stored]).subarray(0, stored.length),
    });
  }
  return samples;
}

/** A frame of Zstandard that asks for a window of 2^27 bytes, which the contract does not allow. */
async function endlessWindow(): Promise<Buffer> {
  const compressing = createZstdCompress({ params: { [constants.ZSTD_c_windowLog]: 27 } });
  compressing.end(Buffer.alloc(1_000));
  return Buffer.concat(await compressing.toArray());
}
