/**
 * Reads a bundle, a folder tree that somebody has carried here: its index, its manifests, and whether every object is there. Nothing
 * of it is believed that no digest covers: what the index says only tells which manifest to read.
 */
import { createHash } from 'node:crypto';
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { fromJsonString } from '@bufbuild/protobuf';
import { segmentListBytes } from '@iotdh/proto/objects';
import { sharedValidator } from '@iotdh/proto/payload';
import {
  type Bundle,
  BundleSchema,
  type Manifest,
  type ManifestRef,
  type MetadataFile,
  UpdateKind,
} from '@iotdh/proto/update/v1';
import { readManifest } from '../manifest.ts';
import { openBundleFile } from './bundle-file.ts';

export const bundleIndex = 'bundle.json';
const maxIndexBytes = 64 * 1024;
/** Of all signed metadata together: more than a fleet has after as many rotations as a device follows. */
const maxMetadataBytes = 8 * 1024 * 1024;

export type BundledUpdate = { ref: ManifestRef; title: string; manifest: Manifest; bytes: Uint8Array };

/** `reason` is for the person who brought it: what is wrong with which file, and what to do. */
export type ReadBundle =
  | { kind: 'read'; updates: BundledUpdate[]; metadata: readonly MetadataFile[] }
  | { kind: 'bad'; reason: string };

const hex = (digest: Uint8Array): string => Buffer.from(digest).toString('hex');
const bad = (reason: string): ReadBundle => ({ kind: 'bad', reason });

export async function readBundle(folder: string): Promise<ReadBundle> {
  const found = await lstat(folder).catch(() => null);
  if (found === null) return bad(`${folder} does not exist`);
  if (!found.isDirectory()) return bad(`${folder} is no folder; name the one that has ${bundleIndex} in it`);
  const text = await readWhole(join(folder, bundleIndex), { max: maxIndexBytes });
  if (text.kind === 'refused') return bad(`${folder} is no bundle: ${bundleIndex} ${text.reason}`);
  const index = readIndex(text.bytes);
  if (typeof index === 'string') return bad(`${bundleIndex} ${index}; export the bundle again`);
  const { metadata } = index;
  if (metadata.reduce((sum, { size }) => sum + size, 0) > maxMetadataBytes)
    return bad(`${bundleIndex} names more than ${maxMetadataBytes} bytes of metadata`);
  const parts = metadata.length === 0 ? ['manifests', 'objects'] : ['manifests', 'objects', 'metadata'];
  for (const part of parts) {
    const folderFound = await lstat(join(folder, part)).catch(() => null);
    if (folderFound?.isDirectory() !== true)
      return bad(`${part} is no folder of the bundle; copy it again as a whole`);
  }
  const updates: BundledUpdate[] = [];
  for (const { manifest: ref, title } of index.packs) {
    if (ref === undefined) return bad(`${bundleIndex} names no manifest`);
    const name = `manifests/${hex(ref.digest)}`;
    const bytes = await readWhole(join(folder, name), ref.size);
    if (bytes.kind === 'refused') return bad(`${name} ${bytes.reason}; copy the bundle again`);
    const read = readManifest(bytes.bytes, ref.digest);
    if (read.kind !== 'read') return bad(`${name}: ${read.detail}`);
    const { manifest } = read;
    const kind = manifest.content.case === 'patch' ? UpdateKind.PATCH : UpdateKind.BASE;
    if (ref.kind !== kind || ref.name !== manifest.name || ref.version !== manifest.version)
      return bad(`${name} is not the pack that ${bundleIndex} says it is`);
    const missing = await firstMissing(folder, manifest);
    if (missing !== null) return bad(`${missing}; copy the bundle again`);
    updates.push({ ref, title, manifest, bytes: bytes.bytes });
  }
  return { kind: 'read', updates, metadata };
}

/** One file of the bundle's signed metadata: the bytes that the index names, whatever they are worth. */
export async function readBundledMetadata(
  folder: string,
  { digest, size }: MetadataFile,
): Promise<{ kind: 'here'; bytes: Uint8Array } | { kind: 'failed'; reason: 'corrupt'; detail: string }> {
  const name = `metadata/${hex(digest)}`;
  const failed = (why: string) =>
    ({ kind: 'failed', reason: 'corrupt', detail: `${name} ${why}; copy the bundle again` }) as const;
  const read = await readWhole(join(folder, name), size);
  if (read.kind === 'refused') return failed(read.reason);
  const isRight = createHash('sha256').update(read.bytes).digest().equals(digest);
  return isRight ? { kind: 'here', bytes: read.bytes } : failed('is damaged');
}

/** The index, or what is wrong with it. */
export function readIndex(bytes: Uint8Array): Bundle | string {
  let index: Bundle;
  try {
    index = fromJsonString(BundleSchema, new TextDecoder('utf-8', { fatal: true }).decode(bytes), {
      ignoreUnknownFields: true,
    });
  } catch {
    return 'is no index of a bundle';
  }
  const { violations } = sharedValidator.validate(BundleSchema, index);
  const [first] = violations ?? [];
  if (first !== undefined) return `breaks the contract: ${first.message}`;
  return index;
}

/** Each object has the length that the manifest says; whether its bytes are right is seen as they are taken. */
async function firstMissing(folder: string, manifest: Manifest): Promise<string | null> {
  for (const object of manifest.objects) {
    const { digest, size, encoding, segmentDigests } = object;
    const needed = [{ digest, size: Number(size) }];
    if (segmentDigests.case === 'segmentListDigest')
      needed.push({ digest: segmentDigests.value, size: segmentListBytes(object) });
    if (encoding.case === 'chunked')
      needed.push({ digest: encoding.value.chunkListDigest, size: encoding.value.chunkListSize });
    for (const one of needed) {
      const name = `objects/${hex(one.digest)}`;
      const opened = await openBundleFile(join(folder, name), one.size);
      if (opened.kind === 'refused') return `${name} ${opened.reason}`;
      await opened.file.close();
    }
  }
  return null;
}

async function readWhole(
  path: string,
  size: number | { max: number },
): Promise<{ kind: 'whole'; bytes: Uint8Array } | { kind: 'refused'; reason: string }> {
  const opened = await openBundleFile(path, size);
  if (opened.kind === 'refused') return opened;
  const { file } = opened;
  try {
    // A file that grows meanwhile is not read to an end that it does not have.
    const bytes = Buffer.alloc(typeof size === 'number' ? size : size.max);
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
    return { kind: 'whole', bytes: bytes.subarray(0, bytesRead) };
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    return { kind: 'refused', reason: `cannot be read (${code})` };
  } finally {
    await file.close();
  }
}
