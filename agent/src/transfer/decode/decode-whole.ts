/** Decodes an object that holds its contents as they are. What comes out is bounded by what the manifest says, byte for byte. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import type { Codec } from '@iotdh/proto/update/v1';
import { decoderFaultOf, decoderOf } from './codecs.ts';
import { type DecodeOptions, type DecodeOutcome, decodeInto } from './content-sink.ts';
import { FileChanged, type OpenFile, openFile, throwAsChanged } from './files-reader.ts';

const pieceBytes = 256 * 1024;

/** Throws when the disk is full or broken, and when it is aborted. */
export function decodeWhole(options: DecodeOptions & { codec: Codec }): Promise<DecodeOutcome> {
  const { path, codec, signal } = options;
  return decodeInto(
    options,
    async (sink) => {
      const decoder = decoderOf(codec);
      const takeAll = async (decoded: AsyncIterable<Uint8Array>) => {
        for await (const chunk of decoded) await sink.take(chunk);
      };
      if (decoder === null) await takeAll(piecesOf({ path, size: (await stat(path)).size }, signal));
      else await pipeline(createReadStream(path), decoder, takeAll, { signal });
    },
    decoderFaultOf,
  );
}

/**
 * The first `size` bytes of a file or of a block device. Throws a `FileChanged` when it has fewer or cannot be read. One buffer for
 * all pieces, each of which is used up before the next is read: a stream's own are let go far too late.
 */
export async function* piecesOf(
  { path, size }: { path: string; size: number },
  signal: AbortSignal,
  open: OpenFile = openFile,
): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.allocUnsafe(Math.min(pieceBytes, size));
  const file = await open(path).catch((error: unknown) => throwAsChanged(path, error));
  try {
    for (let position = 0; position < size; ) {
      signal.throwIfAborted();
      const { bytesRead } = await file
        .read(buffer, 0, Math.min(buffer.length, size - position), position)
        .catch((error: unknown) => throwAsChanged(path, error));
      if (bytesRead === 0) throw new FileChanged(path, 'has become shorter');
      yield buffer.subarray(0, bytesRead);
      position += bytesRead;
    }
  } finally {
    await file.close();
  }
}

/** SHA-256 in lower-case hex of what `piecesOf` yields. Throws as that does. */
export async function digestOf(
  file: { path: string; size: number },
  signal: AbortSignal,
  open?: OpenFile,
): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of piecesOf(file, signal, open)) hash.update(piece);
  return hash.digest('hex');
}
