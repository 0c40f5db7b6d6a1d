/** Contents: the bytes that files, scripts and partitions have in the end, read as a stream however large they are. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { Source } from './draft.ts';

export type Content = {
  source: Source;
  /** SHA-256 in lower-case hex. */
  digest: string;
  bytes: number;
};

/** Fixed, because what a compressor puts out may depend on the pieces that it is given. */
const pieceBytes = 256 * 1024;

/** The bytes of a source, piece by piece. */
export async function* read(source: Source, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  if (source.kind === 'text') yield source.bytes;
  else yield* createReadStream(source.path, { highWaterMark: pieceBytes, signal });
}

/** Digest and size of a source. */
export async function digestOf(
  source: Source,
  signal: AbortSignal,
  onBytes: (count: number) => void,
): Promise<Content> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const piece of read(source, signal)) {
    hash.update(piece);
    bytes += piece.length;
    onBytes(piece.length);
  }
  return { source, digest: hash.digest('hex'), bytes };
}
