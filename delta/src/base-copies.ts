/**
 * The copies of one segment, read in the order in which the base has them: between major releases a segment has thousands, from all over
 * the base, and what lies close together is one read.
 */
import type { Reader } from './reader.ts';

export type BaseCopies = {
  clear(): void;
  /** So many bytes of the base from `position` on belong at `at` of the output. */
  add(at: number, length: number, position: number): void;
  /** Puts all of them into the output. */
  copyInto(output: Uint8Array): Promise<void>;
  /** In the order in which they were added. */
  forEach(visit: (at: number, length: number) => void): void;
};

/** What lies between two copies is read along with them where it is no more than this: another read costs more. */
const nearBytes = 8 * 1024;
/** Copies are read together up to so many bytes; a longer one is read by itself, straight into the output. */
const togetherBytes = 256 * 1024;

/** Its memory is used again for each segment. */
export function createBaseCopies(base: Reader): BaseCopies {
  const buffer = new Uint8Array(Math.min(togetherBytes, base.size));
  let capacity = 1_024;
  let places = new Int32Array(capacity);
  let lengths = new Int32Array(capacity);
  let positions = new Float64Array(capacity);
  let order = new Uint32Array(capacity);
  let count = 0;
  let inOrder = true;

  function grow(): void {
    capacity *= 2;
    const [oldPlaces, oldLengths, oldPositions] = [places, lengths, positions];
    places = new Int32Array(capacity);
    lengths = new Int32Array(capacity);
    positions = new Float64Array(capacity);
    order = new Uint32Array(capacity);
    places.set(oldPlaces);
    lengths.set(oldLengths);
    positions.set(oldPositions);
  }

  function sort(): void {
    for (let index = 0; index < count; index += 1) order[index] = index;
    if (!inOrder) order.subarray(0, count).sort((one, other) => positions[one]! - positions[other]!);
  }

  return {
    clear() {
      count = 0;
      inOrder = true;
    },
    add(at, length, position) {
      if (count === capacity) grow();
      if (count > 0 && position < positions[count - 1]!) inOrder = false;
      places[count] = at;
      lengths[count] = length;
      positions[count] = position;
      count += 1;
    },
    async copyInto(output) {
      sort();
      for (let first = 0; first < count; ) {
        const start = positions[order[first]!]!;
        let end = start + lengths[order[first]!]!;
        let next = first + 1;
        for (; next < count; next += 1) {
          const position = positions[order[next]!]!;
          const furthest = Math.max(end, position + lengths[order[next]!]!);
          if (position > end + nearBytes || furthest - start > buffer.length) break;
          end = furthest;
        }
        if (next === first + 1) {
          const at = places[order[first]!]!;
          await base.read(output.subarray(at, at + end - start), start);
        } else {
          const together = buffer.subarray(0, end - start);
          await base.read(together, start);
          for (let index = first; index < next; index += 1) {
            const copy = order[index]!;
            const from = positions[copy]! - start;
            output.set(together.subarray(from, from + lengths[copy]!), places[copy]!);
          }
        }
        first = next;
      }
    },
    forEach(visit) {
      for (let index = 0; index < count; index += 1) visit(places[index]!, lengths[index]!);
    },
  };
}
