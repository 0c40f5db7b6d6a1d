/**
 * Writes packs as a bundle for removable media: an index, the manifests, the objects, the signed metadata and the bills of materials, each
 * named by its digest. The index comes last, so that a folder which was interrupted is no bundle; an object that is there already is read,
 * and written again if it is damaged.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { create, toJsonString } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { BundleSchema, type ManifestRef, type MetadataFile, UpdateKind } from '@iotdh/proto/update/v1';
import { writeWhole } from '../write-whole.ts';
import { digestOf } from './content.ts';
import { type PackFolder, sbomRef } from './pack-folder.ts';
import { InvalidInput } from './problem.ts';

export const bundleIndex = 'bundle.json';
const parts = ['manifests', 'objects', 'metadata', 'sboms'] as const;

export type ExportOptions = {
  packs: readonly PackFolder[];
  /** What vouches for them. */
  metadata: readonly { file: MetadataFile; bytes: Uint8Array }[];
  /** Where the bundle goes; made if absent. */
  folder: string;
  createTime: Date;
  signal: AbortSignal;
  onProgress?(doneBytes: number, totalBytes: number): void;
};

export type ExportedBundle = { folder: string; bytes: number; packs: string[] };

/** Throws `InvalidInput` for what the author can put right. */
export async function exportBundle(options: ExportOptions): Promise<ExportedBundle> {
  const { packs, metadata, createTime, signal, onProgress = () => undefined } = options;
  const folder = resolve(options.folder);
  await requireUsable(folder, packs);
  for (const part of parts) await mkdir(join(folder, part), { recursive: true });

  const objects = new Map<string, { path: string; bytes: number }>();
  for (const pack of packs) {
    for (const digest of digestsOf(pack)) {
      const path = pack.objectPath(digest);
      const found = await stat(path).catch(() => undefined);
      if (!found?.isFile()) {
        const message = `lacks its object ${digest}; build the pack again`;
        throw new InvalidInput([{ file: pack.folder, field: '', message }]);
      }
      objects.set(digest, { path, bytes: found.size });
    }
  }
  const totalBytes = [...objects.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  let doneBytes = 0;
  for (const [digest, { path, bytes }] of objects) {
    await copyProven(path, join(folder, 'objects', digest), digest, bytes, signal);
    doneBytes += bytes;
    onProgress(doneBytes, totalBytes);
  }
  for (const { digest, manifestBytes, sbom } of packs) {
    await writeWhole(join(folder, 'manifests', digest), Buffer.from(manifestBytes), 0o644);
    if (sbom) await writeWhole(join(folder, 'sboms', sbom.digest), Buffer.from(sbom.bytes), 0o644);
  }
  for (const { file, bytes } of metadata) {
    const name = Buffer.from(file.digest).toString('hex');
    await writeWhole(join(folder, 'metadata', name), Buffer.from(bytes), 0o644);
  }
  const bundle = create(BundleSchema, {
    formatVersion: 1,
    packs: packs.map((pack) => ({
      manifest: refOf(pack),
      title: pack.manifest.title,
      ...(pack.sbom && { sbom: sbomRef(pack.sbom) }),
    })),
    createTime: timestampFromDate(createTime),
    metadata: metadata.map(({ file }) => file),
  });
  await writeWhole(
    join(folder, bundleIndex),
    `${toJsonString(BundleSchema, bundle, { prettySpaces: 2 })}\n`,
    0o644,
  );
  const names = packs.map(({ manifest }) => `${manifest.name}@${manifest.version}`);
  return { folder, bytes: totalBytes, packs: names };
}

async function requireUsable(folder: string, packs: readonly PackFolder[]): Promise<void> {
  const invalid = (file: string, message: string) => new InvalidInput([{ file, field: '', message }]);
  const kinds = packs.map(({ manifest }) => manifest.content.case);
  if (new Set(kinds).size < kinds.length) {
    throw invalid(folder, 'may hold a PATCH and the BASE that it falls back to, and no two of a kind');
  }
  const entries: string[] = await readdir(folder).catch(() => []);
  const foreign = entries.find((name) => name !== bundleIndex && !parts.some((part) => part === name));
  if (foreign !== undefined)
    throw invalid(folder, `has other things in it, such as ${foreign}; name a folder of its own`);
}

/** Every object that a manifest names, its lists included. */
function digestsOf({ manifest }: PackFolder): string[] {
  const hex = (digest: Uint8Array) => Buffer.from(digest).toString('hex');
  return manifest.objects.flatMap(({ digest, segmentDigests, encoding }) => [
    ...(segmentDigests.case === 'segmentListDigest' ? [hex(segmentDigests.value)] : []),
    ...(encoding.case === 'chunked' ? [hex(encoding.value.chunkListDigest)] : []),
    hex(digest),
  ]);
}

function refOf({ manifest, manifestBytes, digest }: PackFolder): Omit<ManifestRef, '$typeName'> {
  const { name, version, content } = manifest;
  const kind = content.case === 'patch' ? UpdateKind.PATCH : UpdateKind.BASE;
  return { digest: Buffer.from(digest, 'hex'), size: manifestBytes.length, kind, name, version };
}

/** Copies an object and flushes it; its digest is computed on the way, for a stick is no place for a damaged one. */
async function copyProven(
  from: string,
  to: string,
  digest: string,
  bytes: number,
  signal: AbortSignal,
): Promise<void> {
  if (await isThere(to, digest, bytes, signal)) return;
  const making = `${to}.making`;
  const hash = createHash('sha256');
  const target = await open(making, 'w', 0o644);
  try {
    for await (const piece of createReadStream(from, { highWaterMark: 1024 * 1024, signal })) {
      hash.update(piece as Uint8Array);
      await target.writeFile(piece as Uint8Array);
    }
    await target.sync();
    await target.close();
    if (hash.digest('hex') !== digest) {
      throw new InvalidInput([{ file: from, field: '', message: 'is damaged; build the pack again' }]);
    }
    await rename(making, to);
  } finally {
    await target.close().catch(() => undefined);
    await rm(making, { force: true });
  }
}

/** Whether these very bytes can be read there. */
async function isThere(path: string, digest: string, bytes: number, signal: AbortSignal): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile() || found.size !== bytes) return false;
  const read = await digestOf({ kind: 'file', path }, signal, () => {}).catch(() => undefined);
  return read?.digest === digest;
}
