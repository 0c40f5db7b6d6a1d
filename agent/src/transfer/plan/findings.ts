/**
 * What a transfer has found out about the files of this machine. It took reading gigabytes, so it is kept over the transfer's runs; the
 * files may change meanwhile, and whoever uses one computes its digest again.
 */
import { type ChunkSearch, createChunkSearch } from './chunk-search.ts';
import type { ImageDigests } from './local-images.ts';

export type Findings = {
  images: ImageDigests;
  chunks: ChunkSearch;
  /** Bytes that each chunked object still takes, by its digest, once its chunks have been looked for. */
  costs: Map<string, number>;
};

export const createFindings = (chunks: ChunkSearch = createChunkSearch()): Findings => ({
  ...{ images: new Map(), chunks, costs: new Map() },
});
