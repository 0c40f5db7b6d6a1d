/** The contract's codecs: as a stream for what is compressed as one, at once for what is small. */
import type { Transform } from 'node:stream';
import {
  brotliDecompressSync,
  constants,
  createBrotliDecompress,
  createZstdDecompress,
  zstdDecompressSync,
} from 'node:zlib';
import { Codec } from '@iotdh/proto/update/v1';

/** 2^23: the contract's largest window for Zstandard. */
const params = { [constants.ZSTD_d_windowLogMax]: 23 };

/** How Node.js names what zlib, Zstandard and Brotli complain about, and that there is more than was asked for. */
const decoderFault = /^(Z_|ZSTD_|ERR_ZSTD_|ERR__ERROR_|ERR_BROTLI_|ERR_BUFFER_TOO_LARGE$)/;

/** What a decoder complains about; undefined for any other error. */
export function decoderFaultOf(error: unknown): string | undefined {
  const { code } = error as NodeJS.ErrnoException;
  return code !== undefined && decoderFault.test(code) ? `the decoder says ${code}` : undefined;
}

/** Null: the bytes are the contents as they are. */
export function decoderOf(codec: Codec): Transform | null {
  switch (codec) {
    case Codec.ZSTD:
      return createZstdDecompress({ params });
    case Codec.BROTLI:
      return createBrotliDecompress();
    default:
      return null;
  }
}

/** All bytes at once, at most `maxBytes`. Throws what `decoderFaultOf` knows. */
export function decodeAtOnce(bytes: Uint8Array, codec: Codec, maxBytes: number): Uint8Array {
  switch (codec) {
    case Codec.ZSTD:
      return zstdDecompressSync(bytes, { params, maxOutputLength: maxBytes });
    case Codec.BROTLI:
      return brotliDecompressSync(bytes, { maxOutputLength: maxBytes });
    default:
      return bytes;
  }
}
