/** Tells from a few samples whether compressing is worth the time: images, archives and videos are compressed already. */
import { type FileHandle, open } from 'node:fs/promises';
import { constants, zstdCompressSync } from 'node:zlib';
import type { Source } from './draft.ts';

const sampleCount = 8;
const sampleBytes = 64 * 1024;
/** Below it there is nothing to save time on. */
const minBytes = 1024 * 1024;

/** What compressing has to save at least, as a share of the whole: it costs the device time as well. */
export const worthwhile = 0.97;

/** Whether a large source is likely to become smaller. Small ones are always tried. */
export async function isCompressible(source: Source, bytes: number): Promise<boolean> {
  if (source.kind === 'text' || bytes < minBytes) return true;
  const file = await open(source.path);
  try {
    let sampled = 0;
    let compressed = 0;
    for (let index = 0; index < sampleCount; index += 1) {
      const sample = await sampleAt(file, Math.floor(((bytes - sampleBytes) * index) / (sampleCount - 1)));
      sampled += sample.length;
      compressed += zstdCompressSync(sample, { params: { [constants.ZSTD_c_compressionLevel]: 1 } }).length;
    }
    return compressed < sampled * worthwhile;
  } finally {
    await file.close();
  }
}

async function sampleAt(file: FileHandle, position: number): Promise<Uint8Array> {
  const { bytesRead, buffer } = await file.read(Buffer.alloc(sampleBytes), 0, sampleBytes, position);
  return buffer.subarray(0, bytesRead);
}
