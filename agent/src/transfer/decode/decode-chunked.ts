/** Decodes a chunked object: groups that were carried from the spool, groups whose every chunk is in files of this machine from there. */
import type { Codec } from '@iotdh/proto/update/v1';
import type { LocalChunks } from '../plan/local-chunks.ts';
import type { ChunkList, Group } from './chunk-list.ts';
import { decodeAtOnce, decoderFaultOf } from './codecs.ts';
import {
  type ContentSink,
  type DecodeOptions,
  type DecodeOutcome,
  decodeInto,
  Undecodable,
} from './content-sink.ts';
import { createFilesReader, type FilesReader } from './files-reader.ts';

export type DecodeChunkedOptions = DecodeOptions & {
  codec: Codec;
  list: ChunkList;
  local: LocalChunks;
};

/** `lacking`: chunks of this machine were no longer what they had been; their groups have to be carried now. */
export type DecodeChunkedOutcome = DecodeOutcome | { kind: 'lacking' };

class Lacking extends Error {}

/** Throws when the disk is full or broken, and when it is aborted. */
export async function decodeChunked(options: DecodeChunkedOptions): Promise<DecodeChunkedOutcome> {
  const { path, codec, list, local, signal } = options;
  const files = createFilesReader();
  const { contentBytes, storedBytes } = list.longestGroup;
  const contents = Buffer.allocUnsafe(contentBytes);
  const stored = Buffer.allocUnsafe(storedBytes);

  async function fromSpool(group: Group, sink: ContentSink): Promise<void> {
    const bytes = stored.subarray(0, group.storedBytes);
    await files.read(path, bytes, group.offset);
    const decoded = decodeAtOnce(bytes, codec, group.contentBytes);
    if (decoded.length !== group.contentBytes) throw new Undecodable('a group has another length');
    await sink.take(decoded);
  }

  async function fromHere(group: Group, sink: ContentSink, reader: FilesReader): Promise<void> {
    let filled = 0;
    for (let chunk = group.first; chunk < group.end; chunk += 1) {
      const into = contents.subarray(filled, filled + list.sizeOf(chunk));
      if (!(await local.read(chunk, into, reader))) throw new Lacking();
      filled += into.length;
    }
    await sink.take(contents.subarray(0, filled));
  }

  try {
    return await decodeInto(
      options,
      async (sink) => {
        for (let index = 0; index < list.groupCount; index += 1) {
          signal.throwIfAborted();
          const group = list.group(index);
          if (local.hasAll(group)) await fromHere(group, sink, files);
          else await fromSpool(group, sink);
        }
      },
      decoderFaultOf,
    );
  } catch (error) {
    if (error instanceof Lacking) return { kind: 'lacking' };
    throw error;
  } finally {
    await files.close();
  }
}
