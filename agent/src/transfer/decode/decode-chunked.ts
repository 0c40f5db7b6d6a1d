/**
 * Decodes a chunked object: groups that were carried from the spool, groups whose every chunk is in files of this machine from there.
 * Those files belong to others: what they no longer have when it is used is carried in the middle of the work.
 */
import type { Codec } from '@iotdh/proto/update/v1';
import type { LocalChunks } from '../plan/local-chunks.ts';
import type { ChunkList, Group } from './chunk-list.ts';
import { decodeAtOnce, decoderFaultOf } from './codecs.ts';
import { type DecodeOptions, type DecodeOutcome, decodeInto, Undecodable } from './content-sink.ts';
import { createFilesReader } from './files-reader.ts';

export type DecodeChunkedOptions = DecodeOptions & {
  codec: Codec;
  list: ChunkList;
  local: LocalChunks;
  /** Carries the groups from `first` on that `local` lacks by now into the file at `path`. False: they cannot be had now. */
  carryLacking(first: number): Promise<boolean>;
};

/** `lacking`: chunks of this machine were no longer what they had been, and could not be carried instead. */
export type DecodeChunkedOutcome = DecodeOutcome | { kind: 'lacking' };

class Lacking extends Error {}

/** Throws when the disk is full or broken, and when it is aborted. */
export async function decodeChunked(options: DecodeChunkedOptions): Promise<DecodeChunkedOutcome> {
  const { path, codec, list, local, carryLacking, signal } = options;
  const files = createFilesReader();
  const { contentBytes, storedBytes } = list.longestGroup;
  const contents = Buffer.allocUnsafe(contentBytes);
  const stored = Buffer.allocUnsafe(storedBytes);

  async function fromSpool(group: Group): Promise<Uint8Array> {
    const bytes = stored.subarray(0, group.storedBytes);
    await files.read(path, bytes, group.offset);
    const decoded = decodeAtOnce(bytes, codec, group.contentBytes);
    if (decoded.length !== group.contentBytes) throw new Undecodable('a group has another length');
    return decoded;
  }

  /** The bytes of a group from files of this machine; null: one of its chunks is not there any more. */
  async function fromHere(group: Group): Promise<Uint8Array | null> {
    let filled = 0;
    for (let chunk = group.first; chunk < group.end; chunk += 1) {
      const into = contents.subarray(filled, filled + list.sizeOf(chunk));
      if (!(await local.read(chunk, into, files))) return null;
      filled += into.length;
    }
    return contents.subarray(0, filled);
  }

  /** Looks at every later group that is believed to be here as well, so that one carry brings all that is lacking. */
  async function carryFrom(first: number): Promise<void> {
    for (let index = first + 1; index < list.groupCount; index += 1) {
      signal.throwIfAborted();
      const group = list.group(index);
      if (local.hasAll(group)) await fromHere(group);
    }
    // It may take hours, through which nobody else's file is held open.
    await files.close();
    if (!(await carryLacking(first))) throw new Lacking();
  }

  try {
    return await decodeInto(
      options,
      async (sink) => {
        for (let index = 0; index < list.groupCount; index += 1) {
          signal.throwIfAborted();
          const group = list.group(index);
          if (local.hasAll(group)) {
            const here = await fromHere(group);
            if (here !== null) {
              await sink.take(here);
              continue;
            }
            await carryFrom(index);
          }
          await sink.take(await fromSpool(group));
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
