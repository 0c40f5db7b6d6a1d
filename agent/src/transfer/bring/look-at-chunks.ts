/** Fetches the lists of objects' chunks and looks for those on this machine. */
import { readFile } from 'node:fs/promises';
import type { Chunking } from '@iotdh/delta/chunks';
import { segmentListBytes } from '@iotdh/proto/objects';
import type { Manifest, Object$ as ManifestObject } from '@iotdh/proto/update/v1';
import { type ChunkList, readChunkList } from '../decode/chunk-list.ts';
import type { Failure, Pause } from '../outcome.ts';
import type { LocalChunks } from '../plan/local-chunks.ts';
import { type Bringing, bringPlain } from './bring-plain.ts';
import { lengthOf } from './carry.ts';

export type ObjectChunks = { list: ChunkList; chunking: Chunking };

const hex = (digest: Uint8Array): string => Buffer.from(digest).toString('hex');

/**
 * Afterwards each object has its cost among the findings, or is marked as unusable. Their files are read once for all of them; the lists
 * are not kept in memory, but read again from the store for who needs them.
 */
export async function lookAtChunks(
  objects: readonly ManifestObject[],
  manifest: Manifest,
  bringing: Bringing,
): Promise<{ kind: 'looked_at' } | Pause | Failure> {
  const { findings, notes, view, signal } = bringing.disk;
  const usable: ManifestObject[] = [];
  for (const object of objects) {
    const found = await bringChunkList(object, bringing);
    if (found.kind === 'unusable') notes.markUnusable(hex(object.digest), found.reason);
    else if (found.kind !== 'here') return found;
    else {
      findings.chunks.lookFor(found.list, found.chunking);
      usable.push(object);
    }
  }
  const contents = usable.flatMap((object) =>
    object.contents.map(({ digest, size }) => ({ digest: hex(digest), size: Number(size) })),
  );
  if (view !== null && contents.length > 0)
    await findings.chunks.look(view.likely(contents, manifest), signal);
  for (const object of usable) {
    const found = await bringChunkList(object, bringing);
    if (found.kind !== 'here') throw new Error(`the chunk list of object ${hex(object.digest)} is gone`);
    const { size, segmentSize } = object;
    const layout = { size: Number(size), frameSize: segmentSize, segmentSize };
    const wanted = localChunksOf(found, bringing).wanted(layout);
    findings.costs.set(hex(object.digest), lengthOf(layout, wanted) + segmentListBytes(object));
  }
  return { kind: 'looked_at' };
}

export const localChunksOf = ({ list, chunking }: ObjectChunks, { disk }: Bringing): LocalChunks =>
  disk.findings.chunks.of(list, chunking);

/** `unusable`: its bytes are as the manifest says, and not a list of this object's chunks. */
export async function bringChunkList(
  object: ManifestObject,
  bringing: Bringing,
): Promise<({ kind: 'here' } & ObjectChunks) | { kind: 'unusable'; reason: string } | Pause | Failure> {
  const { disk, progress } = bringing;
  const { encoding } = object;
  if (encoding.case !== 'chunked') return { kind: 'unusable', reason: 'it has no chunks' };
  const { chunkListDigest, chunkListSize, chunking } = encoding.value;
  const name = hex(chunkListDigest);
  const brought = await bringPlain(chunkListDigest, chunkListSize, bringing);
  if (brought.kind !== 'here') return brought;
  const tally = { origin: 'chunks', contents: 0, contentBytes: 0, carriedBytes: chunkListSize } as const;
  if (disk.notes.brought(name, tally)) progress.doneBytes += chunkListSize;
  const read = readChunkList(await readFile(disk.store.pathOf(name)), object, encoding.value);
  if (read.kind === 'bad')
    return { kind: 'unusable', reason: `the chunk list ${name} is not one: ${read.detail}` };
  const { minSize: min = 0, averageSize: average = 0, maxSize: max = 0 } = chunking ?? {};
  return { kind: 'here', list: read.list, chunking: { min, average, max } };
}
