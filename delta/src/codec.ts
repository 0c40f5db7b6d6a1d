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

/** The body that `stored` holds, exactly `plainBytes` long. Never makes more than that. Throws `DeltaError`. */
export function decompress(
  stored: Uint8Array,
  codec: DeltaCodec,
  plainBytes: number,
  what: string,
): Uint8Array {
  const limits = { info: true, maxOutputLength: plainBytes, chunkSize: plainBytes + 64 };
  let inflated: Inflated;
  try {
    inflated = (codec === 'zstd'
      ? zstdDecompressSync(stored, { ...limits, params: { [constants.ZSTD_d_windowLogMax]: zstdWindowLog } })
      : brotliDecompressSync(stored, limits)) as unknown as Inflated;
  } catch (cause) {
    throw new DeltaError('corrupt', `${what}: is no ${codec} of at most ${plainBytes} bytes`, { cause });
  }
  const { buffer, engine } = inflated;
  if (buffer.length !== plainBytes) {
    throw new DeltaError(
      'corrupt',
      `${what}: decompresses to ${buffer.length} bytes instead of ${plainBytes}`,
    );
  }
  if (engine.bytesWritten !== stored.length) {
    throw new DeltaError(
      'corrupt',
      `${what}: ${stored.length - engine.bytesWritten} bytes follow what is compressed`,
    );
  }
  return buffer;
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
