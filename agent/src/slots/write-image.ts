/**
 * An image into a partition: streamed, flushed, and read back in full before it counts, past the page cache where the file
 * system lets us. Memory stays at two pieces, however large the image.
 */
import { createHash, type Hash } from 'node:crypto';
import { constants } from 'node:fs';
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
  /** Refuses a block device that is in use, as one that is mounted is. */
  exclusively?: boolean;
  signal: AbortSignal;
  /** Called after each piece, before it is flushed, with how much of the image is done. */
  onPiece: (bytes: number) => void;
  /** Called once all is flushed, before it is read back. */
  onFlushed: () => void;
};

/** Not among Node's types. */
declare const WebAssembly: {
  Memory: new (pages: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
};

const pieceBytes = 1024 * 1024;
/** A file system's usual block: the smallest run of zeros that a sparse file can leave out. */
const blockBytes = 4096;
const zeros = Buffer.alloc(pieceBytes);

/** Throws when the disk fails; what is in `to` then, or after `stopped` or `unfit`, is nothing to rely on. */
export async function writeImage(options: WriteImageOptions): Promise<ImageEnd> {
  const { from, to, digest, partitionBytes, exclusively = false, signal, onFlushed } = options;
  const source = await open(from, 'r');
  try {
    const { size } = await source.stat();
    if (size > partitionBytes) {
      return { kind: 'unfit', reason: `the image has ${size} bytes, the partition ${partitionBytes}` };
    }
    // O_EXCL without O_CREAT on a block device: EBUSY while the system uses it (open(2)).
    const target = await open(to, constants.O_RDWR | (exclusively ? constants.O_EXCL : 0));
    try {
      const sent = await copy(source, target, size, options);
      if (sent === null) return { kind: 'stopped' };
      if (sent !== digest) return { kind: 'unfit', reason: 'the image is not what its digest says' };
      await target.sync();
      onFlushed();
      const found = await digestOf(to, size, signal);
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
  { signal, onPiece }: WriteImageOptions,
): Promise<string | null> {
  const there = Buffer.alloc(pieceBytes);
  return eachPiece(source, size, Buffer.alloc(pieceBytes), signal, async (piece, offset) => {
    for (const [start, end, isZero] of runsIn(piece)) {
      const run = piece.subarray(start, end);
      // What the partition held before may not be zero: a run of zeros is left out only where zeros are read.
      if (isZero && (await reads(target, run, offset + start, there))) continue;
      await writeAll(target, run, offset + start);
    }
    onPiece(offset + piece.length);
  });
}

async function reads(file: FileHandle, bytes: Buffer, position: number, into: Buffer): Promise<boolean> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await file.read(into, done, bytes.length - done, position + done);
    if (bytesRead === 0) return false;
    done += bytesRead;
  }
  return bytes.equals(into.subarray(0, bytes.length));
}

/** What the disk gives back, not what this machine remembers of having written. Null: stopped. */
async function digestOf(path: string, size: number, signal: AbortSignal): Promise<string | null> {
  try {
    return await digestThrough(constants.O_RDONLY | (constants.O_DIRECT ?? 0), path, size, signal);
  } catch (error) {
    // Every block device has O_DIRECT, some file systems do not.
    if (!(error instanceof Error && 'code' in error && error.code === 'EINVAL')) throw error;
    return digestThrough(constants.O_RDONLY, path, size, signal);
  }
}

async function digestThrough(
  flags: number,
  path: string,
  size: number,
  signal: AbortSignal,
): Promise<string | null> {
  const file = await open(path, flags);
  try {
    // O_DIRECT wants memory on a page's border, which a Buffer has not and WebAssembly's memory has.
    const pages = pieceBytes / 65_536;
    const { buffer } = new WebAssembly.Memory({ initial: pages, maximum: pages });
    return await eachPiece(file, size, Buffer.from(buffer), signal, async () => undefined);
  } finally {
    await file.close();
  }
}

/** Reads the first `size` bytes piece by piece into `buffer`. Returns their digest, or null when it was stopped. */
async function eachPiece(
  file: FileHandle,
  size: number,
  buffer: Buffer,
  signal: AbortSignal,
  use: (piece: Buffer, offset: number) => Promise<void>,
): Promise<string | null> {
  const hash: Hash = createHash('sha256');
  for (let offset = 0; offset < size; ) {
    if (signal.aborted) return null;
    const { bytesRead } = await file.read(buffer, 0, buffer.length, offset);
    if (bytesRead === 0) break;
    const piece = buffer.subarray(0, Math.min(bytesRead, size - offset));
    hash.update(piece);
    await use(piece, offset);
    offset += piece.length;
  }
  return hash.digest('hex');
}

async function writeAll(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

/** The piece as runs of zeros and of anything else, block by block, with neighbouring blocks of a kind joined. */
export function runsIn(piece: Buffer): [start: number, end: number, isZero: boolean][] {
  const runs: [number, number, boolean][] = [];
  for (let start = 0; start < piece.length; start += blockBytes) {
    const end = Math.min(start + blockBytes, piece.length);
    const isZero = piece.compare(zeros, 0, end - start, start, end) === 0;
    const last = runs.at(-1);
    if (last !== undefined && last[2] === isZero) last[1] = end;
    else runs.push([start, end, isZero]);
  }
  return runs;
}
