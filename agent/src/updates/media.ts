/** The bundles that were imported, by what they hold: folders that may be there or not, for a stick comes and goes. */
import { openDocument } from '../durable/document.ts';

export type Media = {
  /** The folders that hold the update of this manifest, by its digest in hex; the last one that was imported first. */
  holding(manifestDigest: string): string[];
  /** Durable when it returns. */
  remember(folder: string, manifestDigests: readonly string[]): void;
};

type Known = { folder: string; manifests: string[] }[];

/** The ones that were imported last. */
const maxKnown = 16;

export function openMedia(path: string, onDamaged: (path: string) => void): Media {
  const document = openDocument<Known>({
    path,
    read: (parsed) => (Array.isArray(parsed) ? (parsed as Known) : null),
    initial: [],
    onDamaged,
  });
  return {
    holding: (digest) =>
      document.value.filter(({ manifests }) => manifests.includes(digest)).map(({ folder }) => folder),
    remember(folder, manifests) {
      const others = document.value.filter((known) => known.folder !== folder);
      document.write([{ folder, manifests: [...manifests] }, ...others].slice(0, maxKnown));
    },
  };
}
