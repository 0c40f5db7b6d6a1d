/**
 * Which objects of a manifest a device takes for the contents that it lacks, and what it takes over HTTPS: the one rule that the agent
 * follows and that the backend predicts with. Pure: what is on the device is asked through two questions.
 */
import type { Manifest, Object$ as ManifestObject } from './iotdh/update/v1/index.ts';

export type ObjectQuestions = {
  /** Whether the device has these bytes, wherever; by SHA-256 in lower-case hex. */
  isHere(content: string): boolean;
  /** Whether the device can make use of the object: it reads the encoding and, for a delta, has every byte of the base. */
  isUsable(object: ManifestObject): boolean;
  /** What would be carried for the object, where that is less than all of it: the chunks that a device lacks. Default `carriedBytes`. */
  costOf?(object: ManifestObject): number;
};

export type ChosenObjects =
  | { kind: 'chosen'; objects: ManifestObject[] }
  /** No usable object yields this content, which is named and not here. */
  | { kind: 'missing'; content: string };

const hex = (digest: Uint8Array): string => Buffer.from(digest).toString('hex');
const namesContent = new Set(['iotdh.update.v1.File', 'iotdh.update.v1.Script', 'iotdh.update.v1.Partition']);
/** Tag, length and 32 bytes: how a digest is written in a SegmentList. */
const listEntryBytes = 34;
/** The contract's most segments of an object, which is the most of a list. */
export const maxSegments = 1_000_000;

/** The contents that files, scripts and partitions name, as hex, each once. */
export function namedContents({ content }: Pick<Manifest, 'content'>): string[] {
  const named = new Set<string>();
  // Wherever the contract puts a file or a script, now or later: the walk follows the messages, not their fields' names.
  const rest: unknown[] = [content];
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    if (typeof next !== 'object' || next === null || next instanceof Uint8Array) continue;
    const { $typeName, digest } = next as { $typeName?: string; digest?: unknown };
    if ($typeName !== undefined && namesContent.has($typeName) && digest instanceof Uint8Array)
      named.add(hex(digest));
    rest.push(...Object.values(next).filter((value) => value !== undefined));
  }
  return [...named];
}

/** How long the object is that holds the digests of an object's segments; 0 when the manifest holds them. */
export function segmentListBytes({ segmentDigests, size, segmentSize }: ManifestObject): number {
  if (segmentDigests.case !== 'segmentListDigest') return 0;
  return listEntryBytes * Math.ceil(Number(size) / segmentSize);
}

/** How long the list of an object's chunks is; 0 for an object that has none. */
export const chunkListBytes = ({ encoding }: ManifestObject): number =>
  encoding.case === 'chunked' ? encoding.value.chunkListSize : 0;

/** The most bytes that a group of chunks is stored in: what no codec compresses becomes a little longer. */
export const mostStoredBytes = (contentBytes: number): number =>
  contentBytes + Math.floor(contentBytes / 256) + 64;

/** Of what else would be carried for its contents, a list of chunks may take this share before anybody knows what it is good for. */
export const maxChunkListShare = 0.1;

/** Bytes that are carried for an object by a device that has nothing of it. */
export const carriedBytes = (object: ManifestObject): number =>
  Number(object.size) + segmentListBytes(object) + chunkListBytes(object);

/** From here on an update is large: some 140 frames, more than an S1 unit of IoT Hub sends to all devices in a minute. */
const largeUpdateBytes = 8 * 1024 * 1024;

/**
 * Whether the objects of an update come over HTTPS to a device that may choose and has it: by the bytes of all that are to be carried.
 * The hub does not meter that; what is small comes by the bus, where the link is open anyway.
 */
export const isLargeUpdate = (bytes: number): boolean => bytes >= largeUpdateBytes;

/** The same of each file that comes before it is known how large an update is, such as the manifest: what more than one frame holds. */
export const isLargeFile = (bytes: number, frameSize: number): boolean => bytes > frameSize;

/**
 * The cheapest objects that yield every content that is named and not here. Objects share contents, so the true minimum is
 * a set cover, which nobody computes; this takes the cheaper of two covers: for each content its smallest object, and object
 * by object the one that yields most for its bytes. Objects that the others make superfluous are left out. The same input
 * gives the same answer, in the order of the manifest.
 */
export function chooseObjects(manifest: Manifest, questions: ObjectQuestions): ChosenObjects {
  const { isHere, isUsable, costOf = carriedBytes } = questions;
  const lacking = new Set(namedContents(manifest).filter((content) => !isHere(content)));
  const offers: Offer[] = [];
  for (const object of manifest.objects) {
    const yields = new Map<string, number>();
    for (const { digest, size } of object.contents) {
      if (lacking.has(hex(digest))) yields.set(hex(digest), Number(size));
    }
    if (yields.size > 0 && isUsable(object)) offers.push({ object, cost: costOf(object), yields });
  }
  const yielded = new Set(offers.flatMap(({ yields }) => [...yields.keys()]));
  for (const content of lacking) if (!yielded.has(content)) return { kind: 'missing', content };
  const covers = [smallestForEach(offers), bestValueFirst(offers, lacking)].map(withoutSuperfluous);
  const [first, second] = covers.map((cover) => cover.reduce((sum, { cost }) => sum + cost, 0));
  const chosen = new Set((second ?? 0) < (first ?? 0) ? covers[1] : covers[0]);
  return { kind: 'chosen', objects: offers.filter((offer) => chosen.has(offer)).map(({ object }) => object) };
}

/** A usable object, what it costs, and the contents that it yields of those that are lacking, with their sizes. */
type Offer = { object: ManifestObject; cost: number; yields: Map<string, number> };

function smallestForEach(offers: readonly Offer[]): Offer[] {
  const smallest = new Map<string, Offer>();
  for (const offer of offers) {
    for (const content of offer.yields.keys()) {
      const known = smallest.get(content);
      if (known === undefined || offer.cost < known.cost) smallest.set(content, offer);
    }
  }
  return [...new Set(smallest.values())];
}

/** By the bytes of contents for a byte that is carried, counted once: what an earlier one yields does not count again. */
function bestValueFirst(offers: readonly Offer[], lacking: ReadonlySet<string>): Offer[] {
  const worth = ({ yields, cost }: Offer): number =>
    [...yields.values()].reduce((sum, size) => sum + size, 1) / Math.max(cost, 1);
  const missing = new Set(lacking);
  const taken: Offer[] = [];
  for (const offer of offers.toSorted((a, b) => worth(b) - worth(a))) {
    let isNew = false;
    for (const content of offer.yields.keys()) isNew = missing.delete(content) || isNew;
    if (isNew) taken.push(offer);
  }
  return taken;
}

/** Without those whose contents the others yield as well, the dearest of them first. */
function withoutSuperfluous(cover: readonly Offer[]): Offer[] {
  const times = new Map<string, number>();
  for (const { yields } of cover)
    for (const content of yields.keys()) times.set(content, (times.get(content) ?? 0) + 1);
  const kept = new Set(cover);
  for (const offer of cover.toSorted((a, b) => b.cost - a.cost)) {
    const contents = [...offer.yields.keys()];
    if (!contents.every((content) => (times.get(content) ?? 0) > 1)) continue;
    kept.delete(offer);
    for (const content of contents) times.set(content, (times.get(content) ?? 0) - 1);
  }
  return [...kept];
}
