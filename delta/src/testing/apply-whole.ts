/** Applying what is in memory, with the reads that it takes. */
import { type ApplyOptions, applyDelta, bytesReader, type Reader } from '../apply.ts';

/** The whole output. */
export async function applyWhole(
  base: Uint8Array,
  delta: Uint8Array,
  options: Partial<ApplyOptions> = {},
): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of applyDelta({ base: guarded(base), delta: guarded(delta), ...options })) {
    pieces.push(Buffer.from(piece));
  }
  return Buffer.concat(pieces);
}

/** Fails when a byte is asked for that is not there. */
export function guarded(bytes: Uint8Array): Reader {
  const { read, size } = bytesReader(bytes);
  return {
    size,
    read(into, position) {
      if (position < 0 || position + into.length > size) {
        throw new RangeError(`${into.length} bytes are read at ${position} of ${size}`);
      }
      return read(into, position);
    },
  };
}
