/** Reads a file by position, for the measured processes. */
import { open, stat } from 'node:fs/promises';
import type { Reader } from '../../delta/src/reader.ts';

export async function fileReader(path: string): Promise<Reader> {
  const file = await open(path);
  return {
    size: (await stat(path)).size,
    async read(into, position) {
      for (let at = 0; at < into.length; ) {
        const { bytesRead } = await file.read(into, at, into.length - at, position + at);
        if (bytesRead === 0) throw new Error(`${path} ends early`);
        at += bytesRead;
      }
    },
  };
}
