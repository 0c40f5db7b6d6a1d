/** An image into a partition: streamed, flushed, and read back in full before it counts. */
import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import type { ImageEnd } from './slots.ts';

export type WriteImageOptions = {
  from: string;
  /** The partition: a block device, or a file of its size. */
  to: string;
  /** SHA-256 of the image, in lower-case hex. */
  digest: string;
  /** How much the partition holds. */
  partitionBytes: number;
  /** Whether what was never written in `to` reads as zeros, so that runs of zeros need not be. */
  toIsZeroed: boolean;
  signal: AbortSignal;
  /** Called after each piece, before it is flushed. */
  onPiece: () => void;
  /** Called once all is flushed, before it is read back. */
  onFlushed: () => void;
};

const pieceBytes = 1024 * 1024;
/** A file system's usual block: the smallest run of zeros that a sparse file can leave out. */
const blockBytes = 4096;
const zeros = Buffer.alloc(blockBytes);

/** Throws when the disk fails; what is in `to` then, or after `stopped` or `unfit`, is nothing to rely on. */
export async function writeImage(options: WriteImageOptions): Promise<ImageEnd> {
  const { from, to, digest, partitionBytes, signal, onFlushed } = options;
  const source = await open(from, 'r');
  try {
    const { size } = await source.stat();
    if (size > partitionBytes) {
      return { kind: 'unfit', reason: `the image has ${size} bytes, the partition ${partitionBytes}` };
    }
    const target = await open(to, 'r+');
    try {
      const sent = await copy(source, target, size, options);
      if (sent === null) return { kind: 'stopped' };
      if (sent !== digest) return { kind: 'unfit', reason: 'the image is not what its digest says' };
      await target.sync();
      onFlushed();
      const found = await digestOf(target, size, signal);
      if (found === null) return { kind: 'stopped' };
      if (found !== digest) return { kind: 'unfit', reason: 'the partition does not hold what was written' };
      return { kind: 'written', bytes: size };
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

/** Returns the digest of what was read from the source, or null when it was stopped. */
async function copy(
  source: FileHandle,
  target: FileHandle,
  size: number,
  { toIsZeroed, signal, onPiece }: WriteImageOptions,
): Promise<string | null> {
  return eachPiece(source, size, signal, async (piece, offset) => {
    for (const [start, end] of toIsZeroed ? runsWithData(piece) : [[0, piece.length] as const]) {
      await writeAll(target, piece.subarray(start, end), offset + start);
    }
    onPiece();
  });
}

const digestOf = (file: FileHandle, size: number, signal: AbortSignal) =>
  eachPiece(file, size, signal, async () => undefined);

/** Reads the first `size` bytes piece by piece. Returns their digest, or null when it was stopped. */
async function eachPiece(
  file: FileHandle,
  size: number,
  signal: AbortSignal,
  use: (piece: Buffer, offset: number) => Promise<void>,
): Promise<string | null> {
  const hash: Hash = createHash('sha256');
  const buffer = Buffer.alloc(Math.min(pieceBytes, Math.max(1, size)));
  for (let offset = 0; offset < size; ) {
    if (signal.aborted) return null;
    const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, size - offset), offset);
    if (bytesRead === 0) break;
    const piece = buffer.subarray(0, bytesRead);
    hash.update(piece);
    await use(piece, offset);
    offset += bytesRead;
  }
  return hash.digest('hex');
}

async function writeAll(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

/** Where the piece has anything but blocks of zeros, as [start, end) with neighbouring blocks joined. */
export function runsWithData(piece: Buffer): [start: number, end: number][] {
  const runs: [number, number][] = [];
  for (let start = 0; start < piece.length; start += blockBytes) {
    const end = Math.min(start + blockBytes, piece.length);
    if (piece.compare(zeros, 0, end - start, start, end) === 0) continue;
    const last = runs.at(-1);
    if (last !== undefined && last[1] === start) last[1] = end;
    else runs.push([start, end]);
  }
  return runs;
}
