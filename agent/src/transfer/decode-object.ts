/** Decodes an object into the contents that it yields. What comes out is bounded by what the manifest says, byte for byte. */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createBrotliDecompress, createZstdDecompress } from 'node:zlib';
import { Codec } from '@iotdh/proto/update/v1';
import type { ContentStore, ContentWriter } from './content-store.ts';

export type DecodeOptions = {
  path: string;
  codec: Codec;
  /** What lies end to end in the decoded bytes; digests as hex, sizes in bytes. */
  contents: readonly { digest: string; size: number }[];
  store: ContentStore;
  signal: AbortSignal;
};

/** `undecodable`: its bytes are not what the manifest says that they yield. Contents before the fault may be in the store. */
export type DecodeOutcome = { kind: 'decoded' } | { kind: 'undecodable'; detail: string };

/** 2^23: the contract's largest window for Zstandard. */
const zstdWindowLog = 23;

/** How Node.js names what zlib, Zstandard and Brotli complain about. */
const decoderFault = /^(Z_|ZSTD_|ERR_ZSTD_|ERR__ERROR_|ERR_BROTLI_)/;

const pieceBytes = 256 * 1024;

class Undecodable extends Error {}

/** Throws when the disk is full or broken, and when it is aborted. */
export async function decodeObject(options: DecodeOptions): Promise<DecodeOutcome> {
  const { path, codec, contents, store, signal } = options;
  let writer: ContentWriter | undefined;
  let index = -1;
  /** Bytes that the content of `index` still lacks. */
  let lacking = 0;

  async function finish(): Promise<void> {
    const { digest } = contents[index]!;
    const finishing = writer;
    writer = undefined;
    if (finishing !== undefined && !(await finishing.finish()))
      throw new Undecodable(`content ${digest} has another digest`);
  }

  /** Goes on to the next content that has bytes. */
  async function advance(): Promise<void> {
    while (lacking === 0) {
      if (index >= 0 && index < contents.length) await finish();
      index += 1;
      const content = contents[index];
      if (content === undefined) return;
      lacking = content.size;
      if (!store.has(content.digest)) writer = await store.write(content.digest);
    }
  }

  async function take(chunk: Uint8Array): Promise<void> {
    for (let rest = chunk; rest.length > 0; ) {
      if (index >= contents.length) throw new Undecodable('it yields more bytes than its contents have');
      const part = rest.subarray(0, lacking);
      await writer?.add(part);
      lacking -= part.length;
      rest = rest.subarray(part.length);
      await advance();
    }
  }

  try {
    await advance();
    const decoder = decoderOf(codec);
    const takeAll = async (decoded: AsyncIterable<Uint8Array>) => {
      for await (const chunk of decoded) await take(chunk);
    };
    if (decoder === null) await takeAll(piecesOf(path, signal));
    else await pipeline(createReadStream(path), decoder, takeAll, { signal });
    if (index < contents.length) throw new Undecodable('it yields fewer bytes than its contents have');
    return { kind: 'decoded' };
  } catch (error) {
    await writer?.abandon();
    if (error instanceof Undecodable) return { kind: 'undecodable', detail: error.message };
    const { code } = error as NodeJS.ErrnoException;
    if (code !== undefined && decoderFault.test(code)) {
      return { kind: 'undecodable', detail: `the decoder says ${code}` };
    }
    throw error;
  }
}

/** One buffer for all pieces, each of which is used up before the next is read: a stream's own are let go far too late. */
async function* piecesOf(path: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.allocUnsafe(pieceBytes);
  const file = await open(path, 'r');
  try {
    for (;;) {
      signal.throwIfAborted();
      const { bytesRead } = await file.read(buffer, 0, pieceBytes, null);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

/** Null: the bytes are the contents as they are. */
function decoderOf(codec: Codec): Transform | null {
  switch (codec) {
    case Codec.ZSTD:
      return createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: zstdWindowLog } });
    case Codec.BROTLI:
      return createBrotliDecompress();
    default:
      return null;
  }
}
