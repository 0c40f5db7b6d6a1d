/**
 * The list of an object's segments, in memory that stays small: the bytes of an encoded `SegmentList` as they are, up to 34 MB of them,
 * in place of a million arrays. A list of digests of 32 bytes has one encoding of its length, so nothing needs decoding.
 */

/** The digests of segments, in order; an array is one. */
export type SegmentDigests = { readonly length: number; at(segment: number): Uint8Array | undefined };

/** How an entry begins: field 1, and 32 bytes that follow. */
const [tag, digestBytes] = [0x0a, 32];
const entryBytes = 2 + digestBytes;

/** Null: it is not the list of so many digests. */
export function readSegmentList(bytes: Uint8Array, count: number): SegmentDigests | null {
  if (bytes.length !== count * entryBytes) return null;
  for (let at = 0; at < bytes.length; at += entryBytes) {
    if (bytes[at] !== tag || bytes[at + 1] !== digestBytes) return null;
  }
  return {
    length: count,
    at: (segment) => bytes.subarray(segment * entryBytes + 2, (segment + 1) * entryBytes),
  };
}
