/** Writes contents in each form that is worth storing: whole, for a device that has nothing like them, and as chunks, for one that has. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { carriedBytes } from '@iotdh/proto/objects';
import type { Object$ as ManifestObject } from '@iotdh/proto/update/v1';
import type { Content } from './content.ts';
import { chunkingFor, minChunkedBytes, writeChunked } from './write-chunked.ts';
import { type WriteOptions, writeObject } from './write-object.ts';

/** Chunks that cost a device with nothing no more than this take the place of the whole, so that storage does not double. */
const instead = 1.02;

/** One object, or two that yield the same. Small files are compressed together, and have no chunks. */
export async function writeForms(
  contents: readonly Content[],
  options: WriteOptions & { chunked: boolean },
): Promise<ManifestObject[]> {
  const whole = await writeObject(contents, options);
  const [content, ...more] = contents;
  const { chunked: wanted, folder } = options;
  if (!wanted || content === undefined || more.length > 0 || content.bytes < minChunkedBytes) return [whole];
  const { source } = content;
  const chunking = chunkingFor(content.bytes);
  if (source.kind !== 'file' || chunking === null) return [whole];
  const silent = { ...options, onBytes: () => undefined };
  const chunked = await writeChunked({ ...content, source }, chunking, silent);
  if (carriedBytes(chunked) > carriedBytes(whole) * instead) return [whole, chunked];
  // What is not compressed is stored alike in both forms.
  const kept = [chunked.digest, listOf(chunked)].map(nameOf);
  for (const name of [whole.digest, listOf(whole)].map(nameOf)) {
    if (name !== null && !kept.includes(name)) await rm(join(folder, name), { force: true });
  }
  return [chunked];
}

const nameOf = (digest: Uint8Array | null): string | null => digest && Buffer.from(digest).toString('hex');

const listOf = ({ segmentDigests }: ManifestObject): Uint8Array | null =>
  segmentDigests.case === 'segmentListDigest' ? segmentDigests.value : null;
