/** Where bytes are read from, by position: a file, a part of memory, or several of them end to end. */

export type Reader = {
  readonly size: number;
  /** Fills `into` with the bytes from `position` on; asked only for bytes that `size` says are there. */
  read(into: Uint8Array, position: number): Promise<void>;
};

/** Bytes that are in memory. */
export function bytesReader(bytes: Uint8Array): Reader {
  return {
    size: bytes.length,
    async read(into, position) {
      into.set(bytes.subarray(position, position + into.length));
    },
  };
}

/** Several readers end to end: the base of a delta is the contents that make it up, in their order. */
export function concatenatedReader(parts: readonly Reader[]): Reader {
  const starts: number[] = [];
  let size = 0;
  for (const part of parts) {
    starts.push(size);
    size += part.size;
  }

  /** The last part that starts at or before the position and has bytes there. */
  function partAt(position: number): number {
    let [low, high] = [0, parts.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (starts[middle]! <= position) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  return {
    size,
    async read(into, position) {
      let filled = 0;
      for (let index = partAt(position); filled < into.length; index += 1) {
        const part = parts[index]!;
        const from = position + filled - starts[index]!;
        const length = Math.min(part.size - from, into.length - filled);
        if (length > 0) await part.read(into.subarray(filled, filled + length), from);
        filled += Math.max(length, 0);
      }
    },
  };
}
