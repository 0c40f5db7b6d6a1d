/** Decodes a delta against files of this machine, once every byte of its base has been found to be the one that it was made for. */
import { stat } from 'node:fs/promises';
import { applyDelta, concatenatedReader, type DeltaCodec, DeltaError, type Reader } from '@iotdh/delta/apply';
import { Codec } from '@iotdh/proto/update/v1';
import type { LocalFile } from '../plan/local-files.ts';
import { type DecodeOptions, type DecodeOutcome, decodeInto, Undecodable } from './content-sink.ts';
import { digestOf } from './decode-whole.ts';
import { createFilesReader, FileChanged, type FilesReader, type OpenFile } from './files-reader.ts';

export type DecodeDeltaOptions = DecodeOptions & {
  codec: Codec;
  /** The contents that make up the base, end to end. */
  base: readonly { digest: string; size: number }[];
  /** What had these bytes when it was last looked at; null: nothing. */
  find: (content: { digest: string; size: number }) => Promise<LocalFile | null>;
  open?: OpenFile;
};

const codecs = new Map<Codec, DeltaCodec>([
  [Codec.NONE, 'none'],
  [Codec.ZSTD, 'zstd'],
  [Codec.BROTLI, 'brotli'],
]);

/** Throws when the disk is full or broken, and when it is aborted. */
export async function decodeDelta(options: DecodeDeltaOptions): Promise<DecodeOutcome> {
  const { path, contents, base, find, open, signal } = options;
  const codec = codecs.get(options.codec);
  if (codec === undefined) return { kind: 'undecodable', detail: 'its codec is not known here' };
  const files = createFilesReader(open);
  const outputSize = contents.reduce((sum, { size }) => sum + size, 0);
  try {
    return await decodeInto(
      options,
      async (sink) => {
        // A delta is of no use to a base that differs in one byte, so its digest is computed now, whatever was known of it.
        const parts: Reader[] = [];
        for (const { digest, size } of base) {
          const found = await find({ digest, size });
          if (found === null) throw new Undecodable(`its base ${digest} is no longer on this disk`);
          if ((await digestOf(found, signal, open)) !== digest)
            throw new Undecodable(`its base ${digest} has changed: ${found.path}`);
          parts.push(readerOf(found.path, found.size, files));
        }
        const delta = readerOf(path, (await stat(path)).size, files);
        const expected = { outputSize, codec };
        for await (const piece of applyDelta({ delta, base: concatenatedReader(parts), expected, signal })) {
          await sink.take(piece);
        }
      },
      (error) => {
        if (error instanceof DeltaError) return error.message;
        // A delta that cannot be read itself, as while a scanner of viruses has it, may be of use later.
        return error instanceof FileChanged && error.path !== path ? error.message : undefined;
      },
    );
  } finally {
    await files.close();
  }
}

const readerOf = (path: string, size: number, files: FilesReader): Reader => ({
  size,
  read: (into, position) => files.read(path, into, position),
});
