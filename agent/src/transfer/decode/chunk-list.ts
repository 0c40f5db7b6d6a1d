/** The list of an object's chunks, in memory that stays small: their digests end to end instead of an object for each. */
import { mostStoredBytes } from '@iotdh/proto/objects';
import { createPayloadReader } from '@iotdh/proto/payload';
import { type Chunked, ChunkListSchema, type Object$ as ManifestObject } from '@iotdh/proto/update/v1';

export type ChunkList = {
  readonly chunkCount: number;
  readonly groupCount: number;
  /** Bytes of the longest group: of its contents, and as it is stored. */
  readonly longestGroup: { contentBytes: number; storedBytes: number };
  sizeOf(chunk: number): number;
  digestOf(chunk: number): Buffer;
  group(index: number): Group;
};

/** Chunks `first` to `end - 1`, stored in the object from `offset` on. Bytes. */
export type Group = { first: number; end: number; offset: number; storedBytes: number; contentBytes: number };

const digestBytes = 32;
/** The contract's most bytes of contents in a group of several chunks. */
const maxGroupBytes = 1024 * 1024;
const maxListBytes = 16 * 1024 * 1024;

const readList = createPayloadReader(ChunkListSchema, { maxBytes: maxListBytes });

/** The list of these bytes, if everything in it adds up to what the manifest says of the object. */
export function readChunkList(
  bytes: Uint8Array,
  object: Pick<ManifestObject, 'size' | 'contents'>,
  { chunking }: Pick<Chunked, 'chunking'>,
): { kind: 'read'; list: ChunkList } | { kind: 'bad'; detail: string } {
  const bad = (detail: string) => ({ kind: 'bad', detail }) as const;
  const payload = readList(bytes);
  if (payload.kind !== 'valid') return bad(`it is ${payload.kind}`);
  const { digests, sizes, groupChunks, groupSizes } = payload.message;
  const most = chunking?.maxSize ?? 0;
  if (sizes.some((size) => size < 1 || size > most)) return bad('a chunk is empty or too long');
  const contentBytes = object.contents.reduce((sum, { size }) => sum + Number(size), 0);
  if (sum(sizes) !== contentBytes) return bad('its chunks do not add up to the contents');
  if (groupChunks.some((count) => count < 1) || sum(groupChunks) !== sizes.length)
    return bad('its groups do not add up to the chunks');
  if (groupSizes.some((size) => size < 1) || sum(groupSizes) !== Number(object.size))
    return bad('its groups do not add up to the object');

  const firsts = new Uint32Array(groupChunks.length + 1);
  const offsets = new Float64Array(groupChunks.length + 1);
  const lengths = new Uint32Array(groupChunks.length);
  const longestGroup = { contentBytes: 0, storedBytes: 0 };
  for (let index = 0; index < groupChunks.length; index += 1) {
    const first = firsts[index]!;
    firsts[index + 1] = first + groupChunks[index]!;
    offsets[index + 1] = offsets[index]! + groupSizes[index]!;
    const length = sum(sizes.slice(first, firsts[index + 1]!));
    if (length > maxGroupBytes && groupChunks[index] !== 1) return bad('a group is too long');
    if (groupSizes[index]! > mostStoredBytes(length))
      return bad('a group is stored in more than it can take');
    lengths[index] = length;
    longestGroup.contentBytes = Math.max(longestGroup.contentBytes, length);
    longestGroup.storedBytes = Math.max(longestGroup.storedBytes, groupSizes[index]!);
  }
  const table = Buffer.from(digests.buffer, digests.byteOffset, digests.byteLength);
  const digestOf = (chunk: number) => table.subarray(chunk * digestBytes, (chunk + 1) * digestBytes);
  return {
    kind: 'read',
    list: {
      chunkCount: sizes.length,
      groupCount: groupChunks.length,
      longestGroup,
      sizeOf: (chunk) => sizes[chunk]!,
      digestOf,
      group: (index) => ({
        first: firsts[index]!,
        end: firsts[index + 1]!,
        offset: offsets[index]!,
        storedBytes: groupSizes[index]!,
        contentBytes: lengths[index]!,
      }),
    },
  };
}

function sum(numbers: readonly number[]): number {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}
