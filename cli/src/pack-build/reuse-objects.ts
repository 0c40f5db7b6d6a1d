/**
 * Takes objects over from an earlier pack. A device that has the earlier pack's contents then carries only what is new, because
 * unchanged small files do not share an object with changed ones; and objects that are stored already need no upload.
 */
import { createHash } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Object$ as ManifestObject } from '@iotdh/proto/update/v1';
import type { PackFolder } from './pack-folder.ts';
import { InvalidInput } from './problem.ts';

const hex = (digest: Uint8Array): string => Buffer.from(digest).toString('hex');

/** Less of an object than this is not worth what a new device would carry in vain. */
const minShare = 0.5;

/** The objects of earlier packs of which at least half is still needed; each content from one of them. */
export function reusableObjects(
  packs: readonly PackFolder[],
  needed: ReadonlyMap<string, number>,
): { object: ManifestObject; pack: PackFolder }[] {
  const covered = new Set<string>();
  const reused: { object: ManifestObject; pack: PackFolder }[] = [];
  for (const pack of packs) {
    for (const object of pack.manifest.objects) {
      if (object.encoding.case !== 'whole' && object.encoding.case !== 'chunked') continue;
      const digests = object.contents.map(({ digest }) => hex(digest));
      // A content may come whole and as chunks; each form is taken from one pack.
      const form = (digest: string) => `${object.encoding.case} ${digest}`;
      const useful = digests.filter((digest) => needed.has(digest) && !covered.has(form(digest)));
      const usefulBytes = useful.reduce((sum, digest) => sum + (needed.get(digest) ?? 0), 0);
      const totalBytes = object.contents.reduce((sum, { size }) => sum + Number(size), 0);
      if (useful.length === 0 || usefulBytes < totalBytes * minShare) continue;
      for (const digest of useful) covered.add(form(digest));
      reused.push({ object, pack });
    }
  }
  return reused;
}

/** Copies an object, with the lists of its segments and chunks. Throws `InvalidInput` when it is damaged. */
export async function copyObject(
  { object, pack }: { object: ManifestObject; pack: PackFolder },
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  const digests = [object.digest];
  if (object.segmentDigests.case === 'segmentListDigest') digests.push(object.segmentDigests.value);
  if (object.encoding.case === 'chunked') digests.push(object.encoding.value.chunkListDigest);
  for (const digest of digests.map(hex)) {
    signal.throwIfAborted();
    const target = join(folder, digest);
    const source = pack.objectPath(digest);
    await copyFile(source, target, constants.COPYFILE_FICLONE).catch((error: NodeJS.ErrnoException) => {
      throw new InvalidInput([
        { file: pack.folder, field: '', message: `lacks its object ${digest} (${error.code})` },
      ]);
    });
    const hash = createHash('sha256');
    for await (const piece of createReadStream(target, { signal })) hash.update(piece as Uint8Array);
    if (hash.digest('hex') !== digest) {
      throw new InvalidInput([{ file: source, field: '', message: 'is damaged: its digest is another' }]);
    }
  }
}
