/**
 * Looks for the chunks of an update in files of this machine, by cutting those as the update was cut. Reading them costs seconds for each
 * gigabyte, so each file is read once for all objects together, no more is read than a transfer may, and what was found is kept: a
 * search that was interrupted goes on where it was.
 */
import { createHash } from 'node:crypto';
import { type Chunking, chunksOf } from '@iotdh/delta/chunks';
import type { ChunkList } from '../decode/chunk-list.ts';
import { createFilesReader, FileChanged, type FilesReader } from '../decode/files-reader.ts';
import { type ChunkTable, createChunkTable } from './chunk-table.ts';
import { type LocalChunks, localChunks } from './local-chunks.ts';
import type { LocalFile } from './local-files.ts';

export type ChunkSearch = {
  /** Adds the chunks of a list to those that are looked for. */
  lookFor(list: ChunkList, chunking: Chunking): void;
  /** Cuts files, the likeliest first, until everything is found or enough was read. Throws when it is aborted. */
  look(files: AsyncIterable<LocalFile>, signal: AbortSignal): Promise<void>;
  /** What was found of a list. */
  of(list: ChunkList, chunking: Chunking): LocalChunks;
};

export type ChunkSearchOptions = {
  /** No more is read than this, over all. Default 16 GiB: a few minutes. */
  maxBytes?: number;
  /** No more chunks are looked for than this; what is in other lists is carried. Default: as many as one list may have. */
  maxChunks?: number;
  createReader?: () => FilesReader;
};

/** What was cut in one way. `cutTo`: up to where, by path. */
type Cutting = { chunking: Chunking; table: ChunkTable; cutTo: Map<string, number> };

export function createChunkSearch(options: ChunkSearchOptions = {}): ChunkSearch {
  const { maxBytes = 16 * 1024 ** 3, maxChunks = 262_144, createReader = createFilesReader } = options;
  const cuttings = new Map<string, Cutting>();
  const paths: string[] = [];
  let bytesLeft = maxBytes;
  let chunksLeft = maxChunks;

  function cuttingOf(chunking: Chunking): Cutting {
    const { min, average, max } = chunking;
    const name = `${min} ${average} ${max}`;
    const known = cuttings.get(name);
    if (known !== undefined) return known;
    const cutting = { chunking, table: createChunkTable(), cutTo: new Map<string, number>() };
    cuttings.set(name, cutting);
    return cutting;
  }

  async function cut({ path, size }: LocalFile, cutting: Cutting, signal: AbortSignal): Promise<void> {
    const { chunking, table, cutTo } = cutting;
    const from = cutTo.get(path) ?? 0;
    const source = {
      size: Math.min(size - from, bytesLeft),
      read: (into: Uint8Array, position: number) => reader.read(path, into, from + position),
    };
    if (source.size <= 0) return;
    const reader = createReader();
    const file = paths.push(path) - 1;
    try {
      for await (const { position, bytes } of chunksOf(source, chunking, signal)) {
        const chunk = table.indexOf(createHash('sha256').update(bytes).digest());
        if (chunk !== -1) table.found(chunk, file, from + position);
        // A chunk begins where the one before it ends, so that cutting can go on from here.
        cutTo.set(path, from + position + bytes.length);
        bytesLeft -= bytes.length;
        if (table.lacking === 0) return;
      }
    } catch (error) {
      // A file that changes, or may not be read, yields what it has yielded so far.
      if (!(error instanceof FileChanged)) throw error;
      cutTo.set(path, Number.POSITIVE_INFINITY);
    } finally {
      await reader.close();
    }
  }

  return {
    lookFor(list, chunking) {
      const { table, cutTo } = cuttingOf(chunking);
      if (list.chunkCount > chunksLeft) return;
      const before = table.count;
      for (let chunk = 0; chunk < list.chunkCount; chunk += 1) table.add(list.digestOf(chunk));
      chunksLeft -= table.count - before;
      // Nobody has looked for these where others were looked for.
      if (table.count > before) cutTo.clear();
    },
    async look(files, signal) {
      const isOver = () => bytesLeft <= 0 || [...cuttings.values()].every(({ table }) => table.lacking === 0);
      if (isOver()) return;
      for await (const file of files) {
        signal.throwIfAborted();
        for (const cutting of cuttings.values()) {
          if (cutting.table.lacking > 0) await cut(file, cutting, signal);
        }
        if (isOver()) return;
      }
    },
    of: (list, chunking) => localChunks(list, cuttingOf(chunking).table, paths),
  };
}
