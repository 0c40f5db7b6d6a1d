/** Which chunks of an object are in files of this machine: found by cutting those files as the object was cut. */
import { createHash } from 'node:crypto';
import { type Chunking, chunksOf } from '@iotdh/delta/chunks';
import { type BitSet, createBitSet } from '../bit-set.ts';
import type { ChunkList, Group } from '../decode/chunk-list.ts';
import { createFilesReader, FileChanged, type FilesReader } from '../decode/files-reader.ts';
import { type Layout, segmentCount } from '../layout.ts';

/** The first `size` bytes of a file or of a block device. */
export type LocalFile = { path: string; size: number };

export type LocalChunks = {
  /** Whether no chunk of a group has to be carried. */
  hasAll(group: Group): boolean;
  /**
   * Reads a chunk. False: its file is no longer what it was, and the chunk counts as lacking from now on; every chunk of a file that
   * is gone does. What was found by a digest is believed by its digest only, so that it is computed again.
   */
  read(chunk: number, into: Uint8Array, files: FilesReader): Promise<boolean>;
  /** The segments of the object that hold a group, of those from `first` on, which has to be carried. Default: of all. */
  wanted(layout: Layout, first?: number): BitSet;
};

export type FindChunksOptions = {
  list: ChunkList;
  chunking: Chunking;
  /** The likeliest first. */
  files: AsyncIterable<LocalFile>;
  signal: AbortSignal;
  /** No more of the files is read than this. Default 16 GiB: a few minutes. */
  maxBytes?: number;
};

export async function findChunks(options: FindChunksOptions): Promise<LocalChunks> {
  const { list, chunking, files, signal, maxBytes = 16 * 1024 ** 3 } = options;
  const paths: string[] = [];
  /** By chunk: which file it is in, or -1, and where. */
  const fileOf = new Int32Array(list.chunkCount).fill(-1);
  const placeOf = new Float64Array(list.chunkCount);
  /** The first chunk with the same digest stands for all of them. */
  const standsFor = Uint32Array.from({ length: list.chunkCount }, (_, chunk) =>
    list.indexOf(list.digestOf(chunk)),
  );
  let lacking = new Set(standsFor).size;
  let readBytes = 0;

  async function cut({ path, size }: LocalFile): Promise<void> {
    const reader = createFilesReader();
    const index = paths.push(path) - 1;
    try {
      const source = { size, read: (into: Uint8Array, at: number) => reader.read(path, into, at) };
      for await (const { position, bytes } of chunksOf(source, chunking, signal)) {
        const chunk = list.indexOf(createHash('sha256').update(bytes).digest());
        if (chunk === -1 || fileOf[chunk] !== -1) continue;
        fileOf[chunk] = index;
        placeOf[chunk] = position;
        lacking -= 1;
        if (lacking === 0) return;
      }
    } catch (error) {
      // A file that changes, or may not be read, yields what it has yielded so far.
      if (!(error instanceof FileChanged)) throw error;
    } finally {
      await reader.close();
    }
  }

  for await (const file of files) {
    if (lacking === 0 || readBytes + file.size > maxBytes) break;
    readBytes += file.size;
    await cut(file);
  }

  const hasAll = (group: Group): boolean => {
    for (let chunk = group.first; chunk < group.end; chunk += 1) {
      if (fileOf[standsFor[chunk]!] === -1) return false;
    }
    return true;
  };

  return {
    hasAll,
    async read(chunk, into, reader) {
      const stands = standsFor[chunk]!;
      const path = paths[fileOf[stands]!];
      try {
        if (path !== undefined) await reader.read(path, into, placeOf[stands]!);
        if (createHash('sha256').update(into).digest().equals(list.digestOf(chunk))) return true;
      } catch (error) {
        if (!(error instanceof FileChanged)) throw error;
        const gone = fileOf[stands];
        for (let each = 0; each < fileOf.length; each += 1) if (fileOf[each] === gone) fileOf[each] = -1;
      }
      fileOf[stands] = -1;
      return false;
    },
    wanted(layout, first = 0) {
      const segments = createBitSet(segmentCount(layout));
      for (let index = first; index < list.groupCount; index += 1) {
        const group = list.group(index);
        if (hasAll(group)) continue;
        const last = Math.floor((group.offset + group.storedBytes - 1) / layout.segmentSize);
        for (let at = Math.floor(group.offset / layout.segmentSize); at <= last; at += 1) segments.add(at);
      }
      return segments;
    },
  };
}
