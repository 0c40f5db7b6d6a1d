/** What is right, for inputs that are nearly so. */
import { create, toBinary, toJsonString } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  BundleSchema,
  type Object$ as ManifestObject,
  ManifestSchema,
  UpdateKind,
} from '@iotdh/proto/update/v1';
import { addChunked, addDelta, createPatchPack } from '../src/transfer/testing/forms.ts';
import {
  addObject,
  type Blobs,
  bytesOf,
  createPack,
  hex,
  samplePack,
  sha256,
} from '../src/transfer/testing/pack.ts';

export type Samples = {
  manifest: Buffer[];
  'chunk-list': Buffer[];
  'bundle-index': Buffer[];
  /** The object that the list is of. */
  chunked: ManifestObject;
};

export async function createSamples(): Promise<Samples> {
  const blobs: Blobs = new Map();
  const [old, content] = [bytesOf(30_000, 1), bytesOf(40_000, 2)];
  const chunked = await addChunked(blobs, content, 2);
  const objects = [
    addObject(blobs, [content, old], { listed: true }),
    chunked,
    await addDelta(blobs, [old], content),
  ];
  const patch = createPatchPack(blobs, { 'bin/program': content, 'etc/old': old }, objects);
  const base = createPack(blobs, [content], objects);
  const sample = samplePack();
  const bytesOfManifest = (pack: typeof patch) =>
    pack.blobs.get(hex(pack.manifest.digest)) ?? Buffer.alloc(0);
  const list =
    chunked.encoding.case === 'chunked' ? chunked.encoding.value.chunkListDigest : new Uint8Array();
  const index = create(BundleSchema, {
    formatVersion: 1,
    packs: [UpdateKind.PATCH, UpdateKind.BASE].map((kind) => ({
      manifest: { digest: sha256(old), size: 900, kind, name: 'carto', version: '8.1' },
      title: 'Carto 8.1',
    })),
    createTime: timestampFromMs(1_700_000_000_000),
  });
  const empty = toBinary(ManifestSchema, create(ManifestSchema));
  return {
    manifest: [patch, base, sample]
      .map(bytesOfManifest)
      .concat(Buffer.from(empty))
      .filter(({ length }) => length > 0),
    'chunk-list': [blobs.get(hex(list)) ?? Buffer.alloc(0)],
    'bundle-index': [Buffer.from(toJsonString(BundleSchema, index)), Buffer.from('{"formatVersion":1}')],
    chunked,
  };
}
