/** Fetches the list of an object's chunks and looks for them on this machine. */
import { readFile } from 'node:fs/promises';
import { segmentListBytes } from '@iotdh/proto/objects';
import type { Manifest, Object$ as ManifestObject } from '@iotdh/proto/update/v1';
import { type ChunkList, readChunkList } from '../decode/chunk-list.ts';
import type { Failure, Pause } from '../outcome.ts';
import { findChunks, type LocalChunks, type LocalFile } from '../plan/local-chunks.ts';
import { type Bringing, bringPlain } from './bring-object.ts';
import { lengthOf } from './carry.ts';
import type { Disk } from './disk.ts';

/** `cost`: bytes that the object takes now that its list is here. */
export type LookedAt = { list: ChunkList; local: LocalChunks; cost: number };

const hex = (digest: Uint8Array): string => Buffer.from(digest).toString('hex');

export async function lookAtChunks(
  object: ManifestObject,
  manifest: Manifest,
  bringing: Bringing,
): Promise<({ kind: 'looked_at' } & LookedAt) | { kind: 'unusable'; reason: string } | Pause | Failure> {
  const { disk, progress } = bringing;
  const { encoding, segmentSize } = object;
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
  const { list } = read;
  const sizes = {
    min: chunking?.minSize ?? 0,
    average: chunking?.averageSize ?? 0,
    max: chunking?.maxSize ?? 0,
  };
  const { signal } = disk;
  const local = await findChunks({
    list,
    chunking: sizes,
    files: likelyFiles(object, manifest, disk),
    signal,
  });
  const layout = { size: Number(object.size), frameSize: segmentSize, segmentSize };
  const cost = lengthOf(layout, local.wanted(layout)) + segmentListBytes(object);
  return { kind: 'looked_at', list, local, cost };
}

async function* likelyFiles(
  { contents }: ManifestObject,
  manifest: Manifest,
  { view }: Disk,
): AsyncGenerator<LocalFile> {
  const given = new Set<string>();
  for (const { digest, size } of contents) {
    const content = { digest: hex(digest), size: Number(size) };
    for await (const file of view?.likely(content, manifest) ?? []) {
      if (!given.has(file.path)) yield file;
      given.add(file.path);
    }
  }
}
