/** Which chunks of an object are in files of this machine, and their bytes. */
import { createHash } from 'node:crypto';
import { type BitSet, createBitSet } from '../bit-set.ts';
import type { ChunkList, Group } from '../decode/chunk-list.ts';
import { FileChanged, type FilesReader } from '../decode/files-reader.ts';
import { type Layout, segmentCount } from '../layout.ts';
import type { ChunkTable } from './chunk-table.ts';

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

/** `paths`: the files, by the table's numbers of them. */
export function localChunks(list: ChunkList, table: ChunkTable, paths: readonly string[]): LocalChunks {
  const numbers = new Int32Array(list.chunkCount);
  for (let chunk = 0; chunk < numbers.length; chunk += 1)
    numbers[chunk] = table.indexOf(list.digestOf(chunk));

  const hasAll = (group: Group): boolean => {
    for (let chunk = group.first; chunk < group.end; chunk += 1) {
      const number = numbers[chunk]!;
      if (number === -1 || !table.isFound(number)) return false;
    }
    return true;
  };

  return {
    hasAll,
    async read(chunk, into, reader) {
      const number = numbers[chunk]!;
      const place = table.placeOf(number);
      if (place === null) return false;
      try {
        await reader.read(paths[place.file]!, into, place.position);
        if (createHash('sha256').update(into).digest().equals(list.digestOf(chunk))) return true;
        table.lose(number);
      } catch (error) {
        if (!(error instanceof FileChanged)) throw error;
        table.loseFile(place.file);
      }
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
