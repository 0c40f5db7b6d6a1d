/** Carries one file of known digests into the spool, whoever carries it, and hands on what arrives for it meanwhile. */
import { join } from 'node:path';
import type { Frame, TransferRefused } from '@iotdh/proto/bus/v1';
import { isLargeFile } from '@iotdh/proto/objects';
import type { BitSet } from '../bit-set.ts';
import type { CarrierKind } from '../carriers/carrier.ts';
import type { Clock } from '../clock.ts';
import type { SegmentDigests } from '../decode/segment-list.ts';
import type { FrameSource } from '../frame-source.ts';
import type { Pace } from '../frame-window.ts';
import { type Layout, segmentBytes } from '../layout.ts';
import type { Failure, Pause, Progress } from '../outcome.ts';
import { createPull, type Pull } from '../pull.ts';
import { openSpool } from '../spool.ts';
import type { Disk } from './disk.ts';
import { type ProgressCount, reached } from './progress.ts';

/** Sizes in bytes. */
export type Item = {
  digest: Uint8Array;
  size: number;
  segmentSize: number;
  segmentDigests: SegmentDigests;
  /** Whether it is a file beside the objects, such as the manifest. */
  isFile: boolean;
  /** The segments that are to be had. Default: all. */
  wanted?: (layout: Layout) => BitSet;
};

export type CarryOptions = {
  transferId: string;
  frameSize: number;
  source: FrameSource;
  clock: Clock;
  random: () => number;
  window?: number;
  patienceMs?: number;
  maxCorrupt?: number;
  progress: ProgressCount;
  onProgress?(progress: Progress): void;
};

export type Carrying = {
  /** One at a time. `path`: the file, of which the wanted segments are there; `carriedBytes`: how long those are that ever came. */
  carry(
    item: Item,
    disk: Disk,
  ): Promise<{ kind: 'carried'; path: string; carriedBytes: number } | Pause | Failure>;
  onFrame(frame: Frame, carrier: CarrierKind): Promise<void>;
  onRefused(refused: TransferRefused): void;
  onBundle(): void;
  onLinkOpen(): void;
  /** How long the object under way is, by its digest. Undefined: another one is, or none. */
  sizeOf(objectDigest: Uint8Array): number | undefined;
  /** Whether what is under way comes over HTTPS rather than by the bus. */
  isLarge(): boolean;
};

export function createCarrying(options: CarryOptions): Carrying {
  const { transferId, frameSize, progress } = options;
  const pace: Pace = { gapMs: 0 };
  let current: { digest: Uint8Array; size: number; isFile: boolean; pull: Pull } | undefined;

  const isCurrent = (about: { transferId: string; objectDigest: Uint8Array }): boolean =>
    about.transferId === transferId &&
    current !== undefined &&
    Buffer.compare(about.objectDigest, current.digest) === 0;

  return {
    async carry(item, { folder, journal, notes, signal }) {
      const name = Buffer.from(item.digest).toString('hex');
      const path = join(folder, `${name}.part`);
      const layout: Layout = { size: item.size, frameSize, segmentSize: item.segmentSize };
      const wanted = item.wanted?.(layout);
      const { segmentDigests } = item;
      const spool = await openSpool({
        object: name,
        ...{ layout, segmentDigests, path, journal },
        ...(wanted && { wanted }),
      });
      /** Taken, and not noted yet: a crash forgets them together with the frames. */
      const taken = new Map<CarrierKind, number>();
      progress.underWay = () => spool.countedBytes;
      try {
        const pull = createPull({
          ...options,
          ...{ objectDigest: item.digest, spool, signal, pace },
          receivedBytes: () => reached(progress).receivedBytes,
          onTaken: (bytes, carrier) => taken.set(carrier, (taken.get(carrier) ?? 0) + bytes),
          onCommitted() {
            for (const [carrier, bytes] of taken) notes.carried(carrier, bytes);
            taken.clear();
            options.onProgress?.(reached(progress));
          },
        });
        current = { digest: item.digest, size: item.size, isFile: item.isFile, pull };
        const pulled = await pull.run();
        if (pulled.kind !== 'complete') return pulled;
      } finally {
        current = undefined;
        progress.underWay = () => 0;
        await spool.close();
      }
      return { kind: 'carried', path, carriedBytes: spool.countedBytes };
    },
    async onFrame(frame, carrier) {
      if (isCurrent(frame)) await current?.pull.onFrame(frame, carrier);
    },
    onRefused(refused) {
      if (isCurrent(refused)) current?.pull.onRefused(refused);
    },
    onBundle: () => current?.pull.onBundle(),
    onLinkOpen: () => current?.pull.onLinkOpen(),
    isLarge: () => progress.isLarge || (current?.isFile === true && isLargeFile(current.size, frameSize)),
    sizeOf: (digest) =>
      current !== undefined && Buffer.compare(digest, current.digest) === 0 ? current.size : undefined,
  };
}

/** How many bytes the segments of a set have. */
export function lengthOf(layout: Layout, segments: BitSet): number {
  let bytes = 0;
  for (let segment = 0; segment < segments.size; segment += 1) {
    if (segments.has(segment)) bytes += segmentBytes(layout, segment).length;
  }
  return bytes;
}
