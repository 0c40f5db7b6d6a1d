/**
 * Which objects are carried for the contents that are not on this disk: by the bytes that each would take. What an object costs is
 * asked of the disk: a delta is usable where its base is, and chunks that are here need not come.
 */
import {
  carriedBytes,
  chooseObjects,
  chunkListBytes,
  maxChunkListShare,
  namedContents,
} from '@iotdh/proto/objects';
import type { Manifest, Object$ as ManifestObject } from '@iotdh/proto/update/v1';
import type { Failure } from '../outcome.ts';

export type PlanQuestions = {
  manifest: Manifest;
  isHere(content: string): boolean;
  /** Why an object was of no use before; undefined: it may be tried. */
  unusable(object: string): string | undefined;
  /** Whether every content of a delta's base is on this disk. */
  hasBase(object: ManifestObject): boolean;
  /** Bytes that a chunked object would take, where its chunks have been looked for. */
  knownCost(object: ManifestObject): number | undefined;
};

const hex = (digest: Uint8Array): string => Buffer.from(digest).toString('hex');

export function planObjects(
  questions: PlanQuestions,
): { kind: 'planned'; objects: ManifestObject[] } | Failure {
  const { manifest, isHere, unusable, hasBase, knownCost } = questions;
  const choice = chooseObjects(manifest, {
    isHere,
    isUsable: (object) => {
      if (unusable(hex(object.digest)) !== undefined) return false;
      return object.encoding.case !== 'delta' || hasBase(object);
    },
    costOf: (object) => knownCost(object) ?? carriedBytes(object),
  });
  if (choice.kind === 'chosen') return { kind: 'planned', objects: choice.objects };
  const { content } = choice;
  const tried = manifest.objects
    .filter(({ contents }) => contents.some(({ digest }) => hex(digest) === content))
    .map(({ digest }) => unusable(hex(digest)))
    .find((reason) => reason !== undefined);
  if (tried !== undefined) return { kind: 'failed', reason: 'undecodable', detail: tried };
  const detail = `only a delta yields ${content}, and this machine does not have its base`;
  return { kind: 'failed', reason: 'unsupported', detail };
}

/** The chunked objects whose lists are worth fetching: those that could save more than their list costs, by far. */
export function worthLooking(objects: readonly ManifestObject[], questions: PlanQuestions): ManifestObject[] {
  const { manifest, isHere, unusable, knownCost } = questions;
  const chosenCost = new Map<string, number>();
  for (const object of objects) {
    for (const { digest } of object.contents) chosenCost.set(hex(digest), carriedBytes(object));
  }
  return manifest.objects.filter((object) => {
    if (object.encoding.case !== 'chunked' || knownCost(object) !== undefined) return false;
    if (unusable(hex(object.digest)) !== undefined) return false;
    return object.contents.some(({ digest }) => {
      const cost = chosenCost.get(hex(digest));
      return cost !== undefined && !isHere(hex(digest)) && chunkListBytes(object) <= cost * maxChunkListShare;
    });
  });
}

/** What a device carries that has nothing, beside the manifest: what `saved_bytes` is measured by. */
export function costFromNothing(manifest: Manifest): number {
  const choice = chooseObjects(manifest, {
    isHere: () => false,
    isUsable: ({ encoding }) => encoding.case !== 'delta',
  });
  if (choice.kind !== 'chosen') return 0;
  return choice.objects.reduce((total, object) => total + carriedBytes(object), 0);
}

/** The contents that are named and not on this disk, with their sizes. */
export function lackingContents(
  manifest: Manifest,
  isHere: (content: string) => boolean,
): { digest: string; size: number }[] {
  const sizes = new Map<string, number>();
  for (const { contents } of manifest.objects) {
    for (const { digest, size } of contents) sizes.set(hex(digest), Number(size));
  }
  return namedContents(manifest)
    .filter((digest) => !isHere(digest))
    .map((digest) => ({ digest, size: sizes.get(digest) ?? 0 }));
}
