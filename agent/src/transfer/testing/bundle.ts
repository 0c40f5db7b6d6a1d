/** A pack as a bundle in a folder, for tests. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { create, fromBinary, toJsonString } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { BundleSchema, ManifestSchema, type MetadataFile, UpdateKind } from '@iotdh/proto/update/v1';
import { hex, type Pack } from './pack.ts';

/** The folder is made. The metadata are among the blobs, and all other blobs are the pack's. */
export function writeBundle(
  folder: string,
  { blobs, manifest: { digest, size } }: Pick<Pack, 'blobs' | 'manifest'>,
  metadata: readonly MetadataFile[] = [],
): void {
  const name = hex(digest);
  const bytes = blobs.get(name);
  if (bytes === undefined) throw new Error('a pack without its manifest');
  const manifest = fromBinary(ManifestSchema, bytes);
  for (const part of ['manifests', 'objects', 'metadata']) mkdirSync(join(folder, part), { recursive: true });
  const signed = new Set(metadata.map((file) => hex(file.digest)));
  for (const [object, content] of blobs) {
    const part = object === name ? 'manifests' : signed.has(object) ? 'metadata' : 'objects';
    writeFileSync(join(folder, part, object), content);
  }
  const kind = manifest.content.case === 'patch' ? UpdateKind.PATCH : UpdateKind.BASE;
  const bundle = create(BundleSchema, {
    formatVersion: 1,
    packs: [
      {
        manifest: { digest, size, kind, name: manifest.name, version: manifest.version },
        title: manifest.title,
      },
    ],
    createTime: timestampFromMs(1_700_000_000_000),
    metadata: [...metadata],
  });
  writeFileSync(join(folder, 'bundle.json'), toJsonString(BundleSchema, bundle, { prettySpaces: 2 }));
}
