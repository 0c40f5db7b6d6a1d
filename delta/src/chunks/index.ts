/** Content-defined chunks, for whoever builds chunked objects and for whoever looks for their chunks in files of its own. */
export { type ByteSource, type Chunk, type Chunking, chunkLength, chunksOf } from './cut.ts';
