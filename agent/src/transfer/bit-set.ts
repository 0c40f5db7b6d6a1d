/** A set of small whole numbers as a bitmap: which frames are here, which segments are verified. */

/** A half-open range: `first` and the `count - 1` numbers that follow it. */
export type Range = { first: number; count: number };

export type BitSet = {
  readonly size: number;
  /** How many numbers are in the set. */
  readonly count: number;
  has(index: number): boolean;
  /** True when the number was not in the set before. */
  add(index: number): boolean;
  remove(index: number): void;
  /** Whether every number of this set is in the other, which is of the same size. */
  within(other: BitSet): boolean;
  /** The numbers from `from` on that are not in the set, as ranges in ascending order. */
  missing(from?: number): Generator<Range>;
  /** One bit a number, the lowest bit of each byte first. */
  toBytes(): Uint8Array;
};

/**
 * A set of numbers below `size`, empty or as `toBytes` of another set of that size left it. Throws a RangeError when the bytes
 * are not of that size.
 */
export function createBitSet(size: number, bytes?: Uint8Array): BitSet {
  const byteCount = Math.ceil(size / 8);
  if (bytes !== undefined && bytes.length !== byteCount) {
    throw new RangeError(`a set of ${size} numbers has ${byteCount} bytes, not ${bytes.length}`);
  }
  const bits = bytes === undefined ? new Uint8Array(byteCount) : Uint8Array.from(bytes);
  // Bits beyond the end mean nothing, and would be counted.
  if (size % 8 !== 0) bits[byteCount - 1]! &= (1 << (size % 8)) - 1;
  let count = 0;
  for (const byte of bits) count += ones(byte);

  function has(index: number): boolean {
    return index >= 0 && index < size && (bits[index >> 3]! & (1 << (index & 7))) !== 0;
  }

  /** The first number from `from` on whose membership is `wanted`, or `size`; whole bytes are skipped at once. */
  function seek(from: number, wanted: boolean): number {
    const dull = wanted ? 0 : 0xff;
    let index = from;
    while (index < size) {
      if ((index & 7) === 0 && bits[index >> 3] === dull) index += 8;
      else if (has(index) === wanted) return index;
      else index += 1;
    }
    return size;
  }

  return {
    size,
    get count() {
      return count;
    },
    has,
    add(index) {
      if (index < 0 || index >= size) throw new RangeError(`${index} is not below ${size}`);
      if (has(index)) return false;
      bits[index >> 3]! |= 1 << (index & 7);
      count += 1;
      return true;
    },
    remove(index) {
      if (!has(index)) return;
      bits[index >> 3]! &= ~(1 << (index & 7));
      count -= 1;
    },
    within(other) {
      for (let index = seek(0, true); index < size; index = seek(index + 1, true)) {
        if (!other.has(index)) return false;
      }
      return true;
    },
    *missing(from = 0) {
      for (let first = seek(from, false); first < size; ) {
        const end = seek(first, true);
        yield { first, count: end - first };
        first = seek(end, false);
      }
    },
    toBytes: () => Uint8Array.from(bits),
  };
}

function ones(byte: number): number {
  let count = 0;
  for (let rest = byte; rest !== 0; rest &= rest - 1) count += 1;
  return count;
}
