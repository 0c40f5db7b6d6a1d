/**
 * Brings what a manifest names: what is on this disk is copied, what is not is carried in the cheapest form that this machine
 * can use. A form that turns out to be of no use is noted and never tried again, and the choice is made anew without it.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { carriedBytes, isLargeUpdate, segmentListBytes } from '@iotdh/proto/objects';
import type { Manifest, Object$ as ManifestObject } from '@iotdh/proto/update/v1';
import { piecesOf } from '../decode/decode-whole.ts';
import { FileChanged } from '../decode/files-reader.ts';
import type { Failure, Pause, Progress } from '../outcome.ts';
import { lackingContents, type PlanQuestions, planObjects, worthLooking } from '../plan/plan.ts';
import { bringObject, letGoOfServed } from './bring-object.ts';
import type { Bringing } from './bring-plain.ts';
import { type ContentName, type Disk, findContent } from './disk.ts';
import { lookAtChunks } from './look-at-chunks.ts';
import { reached } from './progress.ts';

export type BringUpdateOptions = {
  /** Asked once, before a byte of the objects is asked for. `spaceBytes`: what the rest will take on the disk. */
  accept?(manifest: Manifest, spaceBytes: number): Promise<{ kind: 'accepted' } | Pause | Failure>;
  onProgress?(progress: Progress): void;
};

const hex = (digest: Uint8Array): string => Buffer.from(digest).toString('hex');

/** `here`: every content is in the store. */
export async function bringUpdate(
  manifest: Manifest,
  bringing: Bringing,
  { accept, onProgress }: BringUpdateOptions,
): Promise<{ kind: 'here' } | Pause | Failure> {
  const { disk, progress } = bringing;
  const { store, notes, findings } = disk;
  let isAccepted = accept === undefined;
  await letGoOfServed(manifest, disk);

  for (;;) {
    const atHand = await contentsAtHand(lackingContents(manifest, store.has), disk);
    const bases = await basesAtHand(manifest, disk);
    const questions: PlanQuestions = {
      manifest,
      isHere: (content) => store.has(content) || atHand.has(content),
      unusable: notes.unusable,
      hasBase: ({ digest }) => bases.has(hex(digest)),
      knownCost: ({ digest }) => findings.costs.get(hex(digest)),
    };
    let plan = planObjects(questions);
    if (plan.kind !== 'planned') return plan;
    if (!isAccepted) {
      const accepted = await accept?.(manifest, await spaceOf(plan.objects, atHand, disk));
      if (accepted !== undefined && accepted.kind !== 'accepted') return accepted;
      isAccepted = true;
    }
    if (!(await copyAll(atHand, disk))) continue;

    for (;;) {
      const some = disk.view === null ? [] : worthLooking(plan.objects, questions);
      const chosen = plan.objects.filter((object) => object.encoding.case === 'chunked');
      const unseen = [...new Set([...some, ...chosen])].filter(
        ({ digest }) => !findings.costs.has(hex(digest)),
      );
      if (unseen.length === 0) break;
      const found = await lookAtChunks(unseen, manifest, bringing);
      if (found.kind !== 'looked_at') return found;
      plan = planObjects(questions);
      if (plan.kind !== 'planned') return plan;
    }

    const costOf = (object: ManifestObject) => questions.knownCost(object) ?? carriedBytes(object);
    const bytes = plan.objects.reduce((sum, object) => sum + costOf(object), 0);
    progress.totalBytes = progress.doneBytes + bytes;
    progress.isLarge ||= isLargeUpdate(bytes);
    onProgress?.(reached(progress));
    const failing = await bringEach(plan.objects, bringing);
    if (failing === null) return { kind: 'here' };
    if (failing.kind !== 'unusable') return failing;
  }
}

/** Null: all are here. */
async function bringEach(
  objects: readonly ManifestObject[],
  bringing: Bringing,
): Promise<{ kind: 'unusable' } | Pause | Failure | null> {
  for (const object of objects) {
    const brought = await bringObject(object, bringing);
    if (brought.kind !== 'here') return brought;
  }
  return null;
}

/** Of the contents that are lacking, those that this machine has elsewhere, and where. */
async function contentsAtHand(
  lacking: readonly ContentName[],
  { view }: Disk,
): Promise<Map<string, ContentName & { path: string }>> {
  const found = new Map<string, ContentName & { path: string }>();
  for (const content of lacking) {
    const file = await view?.find(content);
    if (file) found.set(content.digest, { ...content, path: file.path });
  }
  return found;
}

/** The deltas whose every base content is on this disk. */
async function basesAtHand(manifest: Manifest, disk: Disk): Promise<Set<string>> {
  const known = new Map<string, boolean>();
  const usable = new Set<string>();
  for (const { encoding, digest } of manifest.objects) {
    if (encoding.case !== 'delta') continue;
    let isWhole = true;
    for (const content of encoding.value.base) {
      const name = hex(content.digest);
      const isHere = known.get(name) ?? (await isAtHand({ digest: name, size: Number(content.size) }, disk));
      known.set(name, isHere);
      isWhole &&= isHere;
      if (!isWhole) break;
    }
    if (isWhole) usable.add(hex(digest));
  }
  return usable;
}

const isAtHand = async (content: ContentName, disk: Disk) => (await findContent(disk, content)) !== null;

/** Copies contents into the store, each byte digested on the way. False: a file was not what it had been, and is not looked at again. */
async function copyAll(
  contents: ReadonlyMap<string, ContentName & { path: string }>,
  { store, notes, view, signal }: Disk,
): Promise<boolean> {
  for (const { digest, size, path } of contents.values()) {
    const writer = await store.write(digest);
    try {
      for await (const piece of piecesOf({ path, size }, signal)) await writer.add(piece);
    } catch (error) {
      await writer.abandon();
      if (!(error instanceof FileChanged)) throw error;
      view?.forget(path);
      return false;
    }
    if (!(await writer.finish())) {
      view?.forget(path);
      return false;
    }
    notes.brought(digest, { origin: 'local', contents: 1, contentBytes: size, carriedBytes: 0 });
  }
  return true;
}

/** How much room on disk the objects and all contents still take: what an earlier run has brought is there already. */
async function spaceOf(
  objects: readonly ManifestObject[],
  atHand: ReadonlyMap<string, ContentName>,
  { folder }: Disk,
): Promise<number> {
  let bytes = 0;
  for (const { size } of atHand.values()) bytes += size;
  for (const object of objects) {
    const part = await stat(join(folder, `${hex(object.digest)}.part`)).catch(() => null);
    // A block of stat(2) has 512 bytes, whatever the file system's own has.
    const heldBytes = Math.min((part?.blocks ?? 0) * 512, Number(object.size));
    bytes += Number(object.size) - heldBytes + segmentListBytes(object);
    for (const { size } of object.contents) bytes += Number(size);
  }
  return bytes;
}
