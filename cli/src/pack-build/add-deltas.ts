/**
 * Adds deltas to a pack: for each content that no base has as it is, from the contents of the bases that it is likely to have been
 * made from. Small contents share one, as they share a whole object; a large one has its own, from as few contents as it needs.
 */
import { createProducer } from '@iotdh/delta';
import type { Object$ as ManifestObject } from '@iotdh/proto/update/v1';
import type { BaseContent } from './base-contents.ts';
import { createBaseChooser } from './choose-bases.ts';
import { type Content, read } from './content.ts';
import { type GroupLimits, groupContents } from './group-contents.ts';
import { landmarksOf } from './landmarks.ts';
import { writeDelta } from './write-delta.ts';
import type { WriteOptions } from './write-object.ts';

export type DeltaOptions = WriteOptions & {
  limits: GroupLimits;
  /** By digest, what contents are called. */
  names: ReadonlyMap<string, string[]>;
  /** Objects that yield the contents without a base. */
  others: readonly ManifestObject[];
};

/** Less than this saved is not worth one more object. */
const worthwhile = 0.97;

/** One call for each base of the description: a device has one of them. */
export async function addDeltas(
  contents: readonly Content[],
  bases: readonly BaseContent[],
  options: DeltaOptions,
): Promise<ManifestObject[]> {
  const { limits, names, others, signal } = options;
  const has = new Set(bases.map(({ digest }) => digest));
  const changed = contents.filter(({ digest, bytes }) => bytes > 0 && !has.has(digest));
  if (changed.length === 0) return [];
  const wholeBytes = shareOfObjects(others);
  const chooser = await createBaseChooser(bases, signal, () => undefined);
  const producer = createProducer();
  const objects: ManifestObject[] = [];
  try {
    for (const group of groupContents(changed, limits)) {
      const members: Content[] = [];
      const from = new Set<BaseContent>();
      for (const content of group) {
        const landmarks = await landmarksOf(read(content.source, signal), chooser.rarityBits);
        const chosen = chooser.choose({ names: names.get(content.digest) ?? [], landmarks });
        // What nothing is like is carried whole.
        if (chosen.length === 0) {
          options.onBytes(content.bytes);
          continue;
        }
        for (const base of chosen) from.add(base);
        members.push(content);
      }
      if (members.length === 0) continue;
      const maxBytes = members.reduce((sum, { digest }) => sum + (wholeBytes.get(digest) ?? 0), 0);
      const object = await writeDelta(members, [...from], {
        ...options,
        producer,
        maxBytes: Math.floor(maxBytes * worthwhile),
      });
      if (object !== undefined) objects.push(object);
    }
    return objects;
  } finally {
    await producer.close();
  }
}

/** How many stored bytes each content costs, as its share of the smallest object that yields it. */
function shareOfObjects(objects: readonly ManifestObject[]): Map<string, number> {
  const shares = new Map<string, number>();
  for (const { contents, size } of objects) {
    const total = contents.reduce((sum, content) => sum + Number(content.size), 0);
    for (const content of contents) {
      const digest = Buffer.from(content.digest).toString('hex');
      const share = total === 0 ? 0 : (Number(size) * Number(content.size)) / total;
      shares.set(digest, Math.min(share, shares.get(digest) ?? Number.POSITIVE_INFINITY));
    }
  }
  return shares;
}
