/**
 * Chooses what a content is likely to have been made from: what was installed at its path, what has its name, and what has pieces of
 * it. Each is looked up, so that many files cost no more than each of them once.
 */
import { basename } from 'node:path';
import type { BaseContent } from './base-contents.ts';
import { read } from './content.ts';
import { landmarksOf } from './landmarks.ts';

/** The most contents that one is made from, as when files are packed into one. */
const maxBases = 64;
/** A landmark of more contents than these tells nothing: a licence, or zeros. */
const maxSharing = 16;
/** Fewer landmarks in common are chance. */
const minShared = 2;
/** A base that brings less of a content's landmarks than this is one condition more for little. */
const minShare = 0.01;
/** How many bases of one name are looked at. */
const maxNamesakes = 2;

export type BaseChooser = {
  /** The likely bases, the likeliest first. */
  choose(content: { names: readonly string[]; landmarks: ReadonlySet<number> }): BaseContent[];
  /** One landmark in 2^rarityBits bytes. */
  rarityBits: number;
};

export async function createBaseChooser(
  bases: readonly BaseContent[],
  signal: AbortSignal,
  onBytes: (count: number) => void,
): Promise<BaseChooser> {
  const totalBytes = bases.reduce((sum, { bytes }) => sum + bytes, 0);
  // A million landmarks or so, however much there is.
  const rarityBits = Math.min(20, Math.max(10, Math.ceil(Math.log2(totalBytes / 2 ** 20 + 1))));
  const byPath = new Map<string, BaseContent>();
  const byName = new Map<string, BaseContent[]>();
  const byLandmark = new Map<number, BaseContent[]>();
  const add = <Key>(map: Map<Key, BaseContent[]>, key: Key, base: BaseContent, most: number): void => {
    const known = map.get(key);
    if (known === undefined) map.set(key, [base]);
    else if (known.length < most && !known.includes(base)) known.push(base);
  };
  for (const base of bases) {
    for (const name of base.names) {
      byPath.set(name, base);
      for (const alike of nameForms(name)) add(byName, alike, base, maxNamesakes);
    }
    for (const landmark of await landmarksOf(read(base.source, signal), rarityBits)) {
      add(byLandmark, landmark, base, maxSharing + 1);
    }
    onBytes(base.bytes);
  }

  return {
    rarityBits,
    choose({ names, landmarks }) {
      const chosen = new Set<BaseContent>();
      for (const name of names) {
        const same = byPath.get(name);
        if (same !== undefined) chosen.add(same);
      }
      const shared = new Map<BaseContent, number[]>();
      for (const landmark of landmarks) {
        const having = byLandmark.get(landmark) ?? [];
        if (having.length > maxSharing) continue;
        for (const base of having) {
          const common = shared.get(base);
          if (common === undefined) shared.set(base, [landmark]);
          else common.push(landmark);
        }
      }
      const enough = Math.max(minShared, landmarks.size * minShare);
      const alike = [...shared].sort(
        ([one, ones], [other, others]) => others.length - ones.length || (one.digest < other.digest ? -1 : 1),
      );
      const found = new Set([...chosen].flatMap((base) => shared.get(base) ?? []));
      for (const [base, common] of alike) {
        if (chosen.size >= maxBases || common.length < enough) break;
        if (common.filter((landmark) => !found.has(landmark)).length < enough) continue;
        chosen.add(base);
        for (const landmark of common) found.add(landmark);
      }
      // A name is a guess, which only small files need: they may have no landmark at all.
      if (chosen.size === 0) {
        for (const name of names.flatMap(nameForms)) {
          for (const base of byName.get(name) ?? []) if (chosen.size < maxNamesakes) chosen.add(base);
        }
      }
      return [...chosen];
    },
  };
}

/** The file's name, and the same without what looks like a version or a hash. */
function nameForms(path: string): string[] {
  const name = basename(path).toLowerCase();
  const plain = name.replaceAll(/[0-9a-f]{8,}|\d+(\.\d+)*/g, '#');
  return plain === name ? [name] : [name, plain];
}
