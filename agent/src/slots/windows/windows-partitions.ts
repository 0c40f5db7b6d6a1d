/**
 * The partitions of a Windows machine. Their images are WIM files, applied by DISM to a freshly formatted volume; every file
 * is then compared with the image. DISM itself streams; this process reads the image once, piece by piece, for its digest.
 */
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import type { SlotName } from '../boot-environment.ts';
import type { SlotPartitions } from '../create-slots.ts';
import { SlotsError } from '../slots-error.ts';
import { readApplied } from './answer.ts';
import type { AskWindows } from './ask-windows.ts';

export type WindowsPartition = {
  name: string;
  /** GPT GUIDs, in braces. */
  places: Readonly<Record<SlotName, string>>;
};

/** A pack's image holds one system. */
const imageIndex = 1;
const pieceBytes = 1024 * 1024;

export function createWindowsPartitions(
  ask: AskWindows,
  partitions: readonly WindowsPartition[],
  /** Folders that no base may replace: those of the agent. */
  keptFolders: readonly string[],
): SlotPartitions {
  const placesOf = (name: string) => partitions.find((partition) => partition.name === name)?.places;

  async function sizeOf(partition: string): Promise<number> {
    const bytes = (await ask({ action: 'size', partition }))?.bytes;
    if (typeof bytes === 'number' && Number.isSafeInteger(bytes) && bytes > 0) return bytes;
    throw new SlotsError('partition_unfit', `Windows does not say how large ${partition} is`);
  }

  async function refuseKept(): Promise<void> {
    for (const folder of keptFolders) {
      const partition = (await ask({ action: 'partition_of', folder }))?.partition;
      if (typeof partition !== 'string' || partition === '') {
        throw new SlotsError('partition_unfit', `on which partition ${folder} lies cannot be told`);
      }
      const holder = partitions.find(({ places }) =>
        Object.values(places).some((place) => place.toLowerCase() === partition.toLowerCase()),
      );
      if (holder === undefined) continue;
      const message = `${partition} of ${holder.name} holds ${folder}, which a base would overwrite: move it, or name another partition`;
      throw new SlotsError('partition_unfit', message);
    }
  }
  let kept: Promise<void> | null = null;
  /** Asked once; a failure is asked about again. */
  function nothingKeptIsLost(): Promise<void> {
    kept ??= refuseKept().catch((error: unknown) => {
      kept = null;
      throw error;
    });
    return kept;
  }

  return {
    async bytes(name) {
      const places = placesOf(name);
      if (places === undefined) return null;
      await nothingKeptIsLost();
      return Math.min(await sizeOf(places.a), await sizeOf(places.b));
    },
    async write(slot, name, { path, digest }, { signal, onPiece, onFlushed }) {
      const places = placesOf(name);
      if (places === undefined) return { kind: 'unfit', reason: `there is no partition ${name}` };
      await nothingKeptIsLost();
      const found = await digestOf(path, signal);
      if (found === null) return { kind: 'stopped' };
      if (found.hex !== digest) return { kind: 'unfit', reason: 'the image is not what its digest says' };
      onPiece();
      const answer = await ask(
        { action: 'apply', partition: places[slot], image: path, index: imageIndex },
        signal,
      );
      if (answer === null) return { kind: 'stopped' };
      onFlushed();
      const applied = readApplied(answer);
      if (applied === null || applied.files === 0) {
        return { kind: 'unfit', reason: `DISM has applied nothing to ${name}` };
      }
      if (applied.different.length > 0) {
        const reason = `the partition does not hold what was written: ${applied.different.join(', ')}`;
        return { kind: 'unfit', reason };
      }
      return { kind: 'written', bytes: found.bytes };
    },
  };
}

async function digestOf(path: string, signal: AbortSignal): Promise<{ hex: string; bytes: number } | null> {
  const hash = createHash('sha256');
  const buffer = Buffer.alloc(pieceBytes);
  const file = await open(path, 'r');
  try {
    for (let bytes = 0; ; ) {
      if (signal.aborted) return null;
      const { bytesRead } = await file.read(buffer, 0, buffer.length, bytes);
      if (bytesRead === 0) return { hex: hash.digest('hex'), bytes };
      hash.update(buffer.subarray(0, bytesRead));
      bytes += bytesRead;
    }
  } finally {
    await file.close();
  }
}
