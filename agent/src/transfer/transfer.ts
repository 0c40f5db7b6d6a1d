/**
 * Brings one update to this disk: its manifest first, then the lists of segments, then each object that is lacking, and decodes
 * them into contents. Everything is found again after a crash, by digest; nothing is believed that no digest covers.
 */
import { mkdirSync } from 'node:fs';
import { readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Frame, TransferRefused } from '@iotdh/proto/bus/v1';
import { createPayloadReader } from '@iotdh/proto/payload';
import {
  Codec,
  type Manifest,
  type Object$ as ManifestObject,
  SegmentListSchema,
} from '@iotdh/proto/update/v1';
import type { Clock } from './clock.ts';
import { type ContentStore, openContentStore } from './content-store.ts';
import { decodeObject } from './decode-object.ts';
import { isDiskFull } from './disk-full.ts';
import type { FrameSource } from './frame-source.ts';
import type { Layout } from './layout.ts';
import { planObjects, readManifest } from './manifest.ts';
import type { Failure, Pause, Progress, TransferOutcome } from './outcome.ts';
import { createPull, type Pull } from './pull.ts';
import { openSegmentJournal, type SegmentJournal } from './segment-journal.ts';
import { openSpool } from './spool.ts';

export type TransferOptions = {
  /** From the offer. Sizes in bytes. */
  transferId: string;
  manifest: { digest: Uint8Array; size: number };
  frameSize: number;
  /** Holds this update alone; made if absent. Removing it discards the update. */
  folder: string;
  source: FrameSource;
  clock: Clock;
  random: () => number;
  /** Most frames on their way at once, 1 to 32. Default 32. */
  window?: number;
  /** How long without any frame until they are asked for again, in ms. Default 10,000, and more with each time. */
  patienceMs?: number;
  /** How often the same segment may arrive damaged. Default 5. */
  maxCorrupt?: number;
  onProgress?(progress: Progress): void;
  /**
   * Asked once the manifest is here, before a byte of its objects is asked for, and again by each run. `spaceBytes`: what the
   * rest of the transfer will take on the disk of `folder`.
   */
  accept?(manifest: Manifest, spaceBytes: number): Promise<{ kind: 'accepted' } | Pause | Failure>;
};

export type Transfer = {
  /** Frames of other transfers and objects are ignored. Resolves when the next one may come. */
  onFrame(frame: Frame): Promise<void>;
  onRefused(refused: TransferRefused): void;
  /** The link is open again. */
  onLinkOpen(): void;
  /** Runs until the end, a pause or a failure; after a pause, again. One at a time. Rejects when the disk is broken. */
  run(signal: AbortSignal): Promise<TransferOutcome>;
  /** Where a content of a complete transfer is, by its digest in lower-case hex. */
  contentPath(digest: string): string;
};

/** An object in the form that pulling and decoding need. */
type Carried = {
  digest: Uint8Array;
  size: number;
  segmentSize: number;
  segmentDigests: readonly Uint8Array[];
  codec: Codec;
  contents: { digest: string; size: number }[];
};

const hex = (digest: Uint8Array): string => Buffer.from(digest).toString('hex');
/** Tag, length and 32 bytes: the one way to encode a digest of a SegmentList. */
const listEntryBytes = 34;
const maxListBytes = listEntryBytes * 1_000_000;

export function createTransfer(options: TransferOptions): Transfer {
  const { transferId, frameSize, folder } = options;
  const contents = join(folder, 'contents');
  let current: { digest: Uint8Array; pull: Pull } | undefined;

  /** Of finished objects; those that are here already count from the start. */
  let doneBytes = 0;
  let totalBytes = 0;

  async function carry(
    object: Carried,
    { store, journal, signal }: { store: ContentStore; journal: SegmentJournal; signal: AbortSignal },
  ): Promise<{ kind: 'here' } | Pause | Failure> {
    const name = hex(object.digest);
    if (object.contents.every(({ digest }) => store.has(digest))) {
      doneBytes += object.size;
      return { kind: 'here' };
    }
    const path = join(folder, `${name}.part`);
    const layout: Layout = { size: object.size, frameSize, segmentSize: object.segmentSize };
    const spool = await openSpool({
      object: name,
      layout,
      segmentDigests: object.segmentDigests,
      path,
      journal,
    });
    try {
      const pull = createPull({
        ...options,
        objectDigest: object.digest,
        spool,
        signal,
        receivedBytes: () => doneBytes + spool.countedBytes,
        onCommitted: () =>
          options.onProgress?.({ receivedBytes: doneBytes + spool.countedBytes, totalBytes }),
      });
      current = { digest: object.digest, pull };
      const pulled = await pull.run();
      if (pulled.kind !== 'complete') return pulled;
    } finally {
      current = undefined;
      await spool.close();
    }
    const decoded = await decodeObject({
      path,
      codec: object.codec,
      contents: object.contents,
      store,
      signal,
    });
    // Contents are durable by now, or will never be: in either case the spool has served.
    journal.forget(name);
    await rm(path, { force: true });
    if (decoded.kind === 'undecodable') {
      return { kind: 'failed', reason: 'undecodable', detail: `object ${name}: ${decoded.detail}` };
    }
    doneBytes += object.size;
    return { kind: 'here' };
  }

  async function bring(disk: {
    store: ContentStore;
    journal: SegmentJournal;
    signal: AbortSignal;
  }): Promise<TransferOutcome> {
    const { store } = disk;
    doneBytes = 0;
    totalBytes = 0;
    const carriedManifest = await carry(plain(options.manifest.digest, options.manifest.size), disk);
    if (carriedManifest.kind !== 'here') return carriedManifest;
    const bytes = await readFile(store.pathOf(hex(options.manifest.digest)));
    const read = readManifest(bytes, options.manifest.digest);
    if (read.kind !== 'read') return read;
    const plan = planObjects(read.manifest, store.has);
    if (plan.kind !== 'planned') return plan;
    const accepted = await options.accept?.(read.manifest, sum(await Promise.all(plan.objects.map(spaceOf))));
    if (accepted !== undefined && accepted.kind !== 'accepted') return accepted;
    totalBytes = doneBytes + sum(plan.objects.map((object) => Number(object.size) + listBytes(object)));

    const lists = new Map<ManifestObject, readonly Uint8Array[]>();
    for (const object of plan.objects) {
      const list = await segmentsOf(object, disk);
      if ('kind' in list) return list;
      lists.set(object, list);
    }
    for (const object of plan.objects) {
      const carried = await carry(carriedOf(object, lists.get(object) ?? []), disk);
      if (carried.kind !== 'here') return carried;
    }
    return complete(read.manifest);
  }

  /** How much room on disk an object and its contents still take: what an earlier run has brought is there already. */
  async function spaceOf(object: ManifestObject): Promise<number> {
    const part = await stat(join(folder, `${hex(object.digest)}.part`)).catch(() => null);
    // A block of stat(2) has 512 bytes, whatever the file system's own has.
    const heldBytes = Math.min((part?.blocks ?? 0) * 512, Number(object.size));
    const contentBytes = sum(object.contents.map(({ size }) => Number(size)));
    return Number(object.size) - heldBytes + listBytes(object) + contentBytes;
  }

  /** The digests of an object's segments: from the manifest, or from an object of their own, which is fetched first. */
  async function segmentsOf(
    object: ManifestObject,
    disk: { store: ContentStore; journal: SegmentJournal; signal: AbortSignal },
  ): Promise<readonly Uint8Array[] | Pause | Failure> {
    const { segmentDigests } = object;
    if (segmentDigests.case === 'segments') return segmentDigests.value.digests;
    const digest = segmentDigests.value ?? new Uint8Array();
    const carried = await carry(plain(digest, listBytes(object)), disk);
    if (carried.kind !== 'here') return carried;
    const read = createPayloadReader(SegmentListSchema, { maxBytes: maxListBytes });
    const list = read(await readFile(disk.store.pathOf(hex(digest))));
    if (list.kind === 'valid' && list.message.digests.length === segmentCountOf(object))
      return list.message.digests;
    return { kind: 'failed', reason: 'bad_manifest', detail: `the segment list ${hex(digest)} is not one` };
  }

  function complete(manifest: Manifest): TransferOutcome {
    options.onProgress?.({ receivedBytes: doneBytes, totalBytes });
    return { kind: 'complete', manifest };
  }

  return {
    async onFrame(frame) {
      if (frame.transferId !== transferId || current === undefined) return;
      if (Buffer.compare(frame.objectDigest, current.digest) !== 0) return;
      await current.pull.onFrame(frame);
    },
    onRefused(refused) {
      if (refused.transferId !== transferId || current === undefined) return;
      if (Buffer.compare(refused.objectDigest, current.digest) === 0) current.pull.onRefused(refused);
    },
    onLinkOpen: () => current?.pull.onLinkOpen(),
    contentPath: (digest) => join(contents, digest),
    async run(signal) {
      let journal: SegmentJournal | undefined;
      try {
        mkdirSync(folder, { recursive: true, mode: 0o700 });
        journal = openSegmentJournal(join(folder, 'segments.db'));
        return await bring({ store: openContentStore(contents), journal, signal });
      } catch (error) {
        if (isDiskFull(error)) return { kind: 'paused', reason: 'disk_full' };
        if (signal.aborted) return { kind: 'paused', reason: 'aborted' };
        throw error;
      } finally {
        journal?.close();
      }
    },
  };
}

/** A file that is carried as it is and verified as one: the manifest itself, a list of segments. */
function plain(digest: Uint8Array, size: number): Carried {
  const contents = [{ digest: hex(digest), size }];
  return { digest, size, segmentSize: size, segmentDigests: [digest], codec: Codec.NONE, contents };
}

function carriedOf(object: ManifestObject, segmentDigests: readonly Uint8Array[]): Carried {
  const { encoding, digest, segmentSize } = object;
  return {
    digest,
    size: Number(object.size),
    segmentSize,
    segmentDigests,
    codec: encoding.case === 'whole' ? encoding.value.codec : Codec.UNSPECIFIED,
    contents: object.contents.map((content) => ({ digest: hex(content.digest), size: Number(content.size) })),
  };
}

const segmentCountOf = ({ size, segmentSize }: ManifestObject): number =>
  Math.ceil(Number(size) / segmentSize);

/** How long the object is that holds the digests of an object's segments; 0 when the manifest holds them. */
function listBytes(object: ManifestObject): number {
  return object.segmentDigests.case === 'segments' ? 0 : listEntryBytes * segmentCountOf(object);
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
