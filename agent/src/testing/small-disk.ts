/** A real file system that a test can fill to the last byte. */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

export type SmallDisk = {
  readonly folder: string;
  /** Takes all room that is left, but for so many bytes. */
  fill(butBytes?: number): void;
  /** Gives all of it back. */
  makeRoom(): void;
};

/** Mounts it; a reason why that cannot be done here instead, such as that only root may. */
export function mountSmallDisk(t: TestContext, bytes: number): SmallDisk | string {
  if (process.platform !== 'linux') return 'a file system in memory is mounted on Linux only';
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-small-disk-'));
  const options = { stdio: ['ignore', 'ignore', 'pipe'] as 'pipe'[] };
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=0700`, 'tmpfs', folder], options);
  } catch (error) {
    rmSync(folder, { recursive: true });
    return `no file system can be mounted here: ${(error as Error).message.split('\n').at(1) ?? ''}`;
  }
  t.after(() => {
    // Lazily: a process of the test may still have files open.
    execFileSync('umount', ['-l', folder], options);
    rmSync(folder, { recursive: true });
  });
  const filler = join(folder, 'filler');

  function makeRoom(): void {
    rmSync(filler, { force: true });
  }

  return {
    folder,
    makeRoom,
    fill(butBytes = 0) {
      makeRoom();
      // Written and taken back, so that exactly these bytes are free again.
      const spare = join(folder, 'spare');
      if (butBytes > 0) write(spare, butBytes);
      write(filler, Number.POSITIVE_INFINITY);
      rmSync(spare, { force: true });
    },
  };
}

/** So many bytes, or as many as there is room for. */
function write(path: string, bytes: number): void {
  const file = openSync(path, 'w');
  const piece = Buffer.alloc(4096, 1);
  try {
    for (let written = 0; written < bytes; ) written += writeSync(file, piece);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  } finally {
    closeSync(file);
  }
}
