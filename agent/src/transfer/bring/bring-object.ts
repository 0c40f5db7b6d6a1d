/** Brings one object: its lists, the segments of it that are lacking, and then its contents out of it. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { segmentListBytes } from '@iotdh/proto/objects';
import { Codec, type Manifest, type Object$ as ManifestObject } from '@iotdh/proto/update/v1';
import type { ChunkList } from '../decode/chunk-list.ts';
import type { DecodeOutcome } from '../decode/content-sink.ts';
import { decodeChunked } from '../decode/decode-chunked.ts';
import { decodeDelta } from '../decode/decode-delta.ts';
import { decodeWhole } from '../decode/decode-whole.ts';
import { readSegmentList, type SegmentDigests } from '../decode/segment-list.ts';
import { type Layout, segmentCount } from '../layout.ts';
import type { Origin } from '../notes.ts';
import type { Failure, Pause } from '../outcome.ts';
import type { LocalChunks } from '../plan/local-chunks.ts';
import { type Bringing, bringPlain, letGo } from './bring-plain.ts';
import type { Item } from './carry.ts';
import { type ContentName, type Disk, findContent } from './disk.ts';
import { bringChunkList, localChunksOf } from './look-at-chunks.ts';

/** `unusable`: its bytes are as the manifest says, and yet of no use to this machine, which is noted: it is not tried again. */
export type Brought = { kind: 'here' } | { kind: 'unusable' } | Pause | Failure;

const hex = (digest: Uint8Array): string => Buffer.from(digest).toString('hex');

const origins: Record<'whole' | 'delta' | 'chunked', Origin> = {
  whole: 'whole',
  delta: 'delta',
  chunked: 'chunks',
};

export async function bringObject(object: ManifestObject, bringing: Bringing): Promise<Brought> {
  const { carrying, progress, disk } = bringing;
  const { encoding } = object;
  const name = hex(object.digest);
  if (encoding.case === undefined) {
    disk.notes.markUnusable(name, 'its encoding is not known here');
    return { kind: 'unusable' };
  }
  const segmentDigests = await segmentsOf(object, bringing);
  if ('kind' in segmentDigests) return segmentDigests;
  const chunks = encoding.case === 'chunked' ? await chunksOf(object, bringing) : null;
  if (chunks !== null && 'kind' in chunks) return chunks;
  const lacking = namesOf(object).filter(({ digest }) => !disk.store.has(digest));
  const item: Item = {
    digest: object.digest,
    size: Number(object.size),
    segmentSize: object.segmentSize,
    segmentDigests,
    isFile: false,
    ...(chunks && { wanted: (layout: Layout) => chunks.local.wanted(layout) }),
  };
  const carried = await carrying.carry(item, disk);
  if (carried.kind !== 'carried') return carried;
  const { path } = carried;
  const last: { carriedBytes: number; stopped: Pause | Failure | null } = { ...carried, stopped: null };
  const decoded = await decode(object, path, disk, chunks, async (wanted) => {
    const more = await carrying.carry({ ...item, wanted }, disk);
    if (more.kind === 'carried') last.carriedBytes = more.carriedBytes;
    else last.stopped = more;
    return last.stopped === null;
  });
  if (last.stopped !== null) return last.stopped;
  const yielded = decoded.kind === 'decoded' ? lacking : [];
  progress.doneBytes += last.carriedBytes;
  disk.notes.brought(name, {
    origin: origins[encoding.case],
    contents: yielded.length,
    contentBytes: yielded.reduce((sum, { size }) => sum + size, 0),
    carriedBytes: last.carriedBytes + segmentListBytes(object),
  });
  if (decoded.kind === 'undecodable') disk.notes.markUnusable(name, `object ${name}: ${decoded.detail}`);
  // Contents are durable by now, or will never be, and that is noted: the spool has served.
  await letGo(disk, name, path);
  return decoded.kind === 'decoded' ? { kind: 'here' } : { kind: 'unusable' };
}

/** Lets go of spools that have served: a power cut came before they were. */
export async function letGoOfServed(manifest: Manifest, disk: Disk): Promise<void> {
  const spools = new Set(await readdir(disk.folder));
  for (const object of manifest.objects) {
    const name = hex(object.digest);
    if (!spools.has(`${name}.part`)) continue;
    const isDone = namesOf(object).every(({ digest }) => disk.store.has(digest));
    const isUnusable = disk.notes.unusable(name) !== undefined;
    if (isDone || isUnusable) await letGo(disk, name, join(disk.folder, `${name}.part`));
  }
}

/** `carryMore`: brings further segments of the object into its file; false: not now. */
function decode(
  object: ManifestObject,
  path: string,
  disk: Disk,
  chunks: Chunks | null,
  carryMore: (wanted: NonNullable<Item['wanted']>) => Promise<boolean>,
): Promise<DecodeOutcome | { kind: 'lacking' }> {
  const { store, signal } = disk;
  const { encoding } = object;
  const options = { path, contents: namesOf(object), store, signal };
  if (encoding.case === 'delta') {
    const { codec, base } = encoding.value;
    const names = base.map(({ digest, size }) => ({ digest: hex(digest), size: Number(size) }));
    return decodeDelta({ ...options, codec, base: names, find: (content) => findContent(disk, content) });
  }
  if (encoding.case === 'chunked' && chunks !== null) {
    const { list, local } = chunks;
    return decodeChunked({
      ...{ ...options, codec: encoding.value.codec, list, local },
      carryLacking: (first) => carryMore((layout) => local.wanted(layout, first)),
    });
  }
  return decodeWhole({ ...options, codec: encoding.value?.codec ?? Codec.UNSPECIFIED });
}

type Chunks = { list: ChunkList; local: LocalChunks };

/** The list of a chunked object, and what of it was found on this machine. */
async function chunksOf(
  object: ManifestObject,
  bringing: Bringing,
): Promise<Chunks | Exclude<Brought, { kind: 'here' }>> {
  const found = await bringChunkList(object, bringing);
  if (found.kind === 'here') return { list: found.list, local: localChunksOf(found, bringing) };
  if (found.kind !== 'unusable') return found;
  bringing.disk.notes.markUnusable(hex(object.digest), found.reason);
  return { kind: 'unusable' };
}

/** The digests of an object's segments: from the manifest, or from an object of their own, which is fetched first. */
async function segmentsOf(
  object: ManifestObject,
  bringing: Bringing,
): Promise<SegmentDigests | Pause | Failure> {
  const { segmentDigests, segmentSize } = object;
  if (segmentDigests.case === 'segments') return segmentDigests.value.digests;
  const digest = segmentDigests.value ?? new Uint8Array();
  const brought = await bringPlain(digest, segmentListBytes(object), bringing);
  if (brought.kind !== 'here') return brought;
  bringing.progress.doneBytes += segmentListBytes(object);
  const count = segmentCount({ size: Number(object.size), segmentSize, frameSize: segmentSize });
  const list = readSegmentList(await readFile(bringing.disk.store.pathOf(hex(digest))), count);
  if (list !== null) return list;
  return { kind: 'failed', reason: 'bad_manifest', detail: `the segment list ${hex(digest)} is not one` };
}

const namesOf = ({ contents }: ManifestObject): ContentName[] =>
  contents.map(({ digest, size }) => ({ digest: hex(digest), size: Number(size) }));
