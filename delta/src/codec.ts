/** Compressing and decompressing one body, with bounds on what either may cost. */
import {
  brotliCompressSync,
  brotliDecompressSync,
  constants,
  zstdCompressSync,
  zstdDecompressSync,
} from 'node:zlib';
import { DeltaError } from './delta-error.ts';
import type { DeltaCodec } from './format.ts';

/** The contract's largest windows: 8 MiB and 4 MiB. */
const zstdWindowLog = 23;
const brotliWindowBits = 22;

type Inflated = { buffer: Uint8Array; engine: { bytesWritten: number } };

/** Buffers that are shorter may share memory with others. */
const ownMemoryBytes = 128 * 1024;

/** The library has no limit: RFC 7932, section 9.1, has the size of the window in the first bits of a stream. */
function brotliWindowIsLarger(stored: Uint8Array): boolean {
  const first = stored[0] ?? 0;
  return (first & 1) === 1 && 17 + ((first >> 1) & 7) > brotliWindowBits;
}

/** Fills `into` with the body that `stored` holds. Never makes more than that. Throws `DeltaError`. */
export function decompressInto(into: Uint8Array, stored: Uint8Array, codec: DeltaCodec, what: string): void {
  const limits = {
    info: true,
    maxOutputLength: Math.max(into.length, 1),
    chunkSize: Math.max(into.length + 64, ownMemoryBytes),
  };
  if (codec === 'brotli' && brotliWindowIsLarger(stored))
    throw new DeltaError('corrupt', `${what}: needs a window of more than 4 MiB`);
  let inflated: Inflated;
  try {
    inflated = (codec === 'zstd'
      ? zstdDecompressSync(stored, {
          ...limits,
          params: { [constants.ZSTD_d_windowLogMax]: zstdWindowLog },
        })
      : brotliDecompressSync(stored, limits)) as unknown as Inflated;
  } catch (cause) {
    throw new DeltaError('corrupt', `${what}: is no ${codec} of at most ${into.length} bytes`, { cause });
  }
  const { buffer, engine } = inflated;
  if (buffer.length !== into.length) {
    throw new DeltaError(
      'corrupt',
      `${what}: decompresses to ${buffer.length} bytes instead of ${into.length}`,
    );
  }
  if (engine.bytesWritten !== stored.length) {
    const left = stored.length - engine.bytesWritten;
    throw new DeltaError('corrupt', `${what}: ${left} bytes follow what is compressed`);
  }
  into.set(buffer);
  // Gives the memory back at once: V8 would let tens of megabytes of it gather.
  if (buffer.buffer.byteLength >= ownMemoryBytes) (buffer.buffer as ArrayBuffer).transfer(0);
}

/** Deterministic on one version of Node.js, whose libraries decide. `level` is the codec's own: 1 to 22, or 0 to 11. */
export function compress(plain: Uint8Array, codec: DeltaCodec, level: number): Uint8Array {
  if (codec === 'none') return plain;
  const chunkSize = Math.max(plain.length, 64);
  if (codec === 'zstd') {
    const params = {
      [constants.ZSTD_c_compressionLevel]: level,
      [constants.ZSTD_c_windowLog]: zstdWindowLog,
      [constants.ZSTD_c_contentSizeFlag]: 0,
      [constants.ZSTD_c_checksumFlag]: 0,
    };
    return zstdCompressSync(plain, { chunkSize, params });
  }
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: level,
    [constants.BROTLI_PARAM_LGWIN]: brotliWindowBits,
    [constants.BROTLI_PARAM_SIZE_HINT]: plain.length,
  };
  return brotliCompressSync(plain, { chunkSize, params });
}
