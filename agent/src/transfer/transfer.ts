/**
 * Brings one update to this disk: its manifest first, then what the manifest names, in the cheapest form that this machine can use.
 * Everything is found again after a crash, by digest; nothing is believed that no digest covers.
 */
import { mkdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Frame, TransferRefused } from '@iotdh/proto/bus/v1';
import type { Manifest } from '@iotdh/proto/update/v1';
import { type Bringing, bringPlain } from './bring/bring-plain.ts';
import { type BringUpdateOptions, bringUpdate } from './bring/bring-update.ts';
import { type CarryOptions, createCarrying } from './bring/carry.ts';
import { createProgressCount, reached } from './bring/progress.ts';
import type { CarrierKind } from './carriers/carrier.ts';
import { openContentStore } from './content-store.ts';
import { isDiskFull } from './disk-full.ts';
import { readManifest } from './manifest.ts';
import { type Notes, openNotes } from './notes.ts';
import type { Failure, Pause, Tally, TransferOutcome } from './outcome.ts';
import { createFindings, type Findings } from './plan/findings.ts';
import type { LocalFiles } from './plan/local-files.ts';
import { costFromNothing } from './plan/plan.ts';
import { openSegmentJournal } from './segment-journal.ts';
import { type Vouching, vouch } from './vouching.ts';

export type TransferOptions = Omit<CarryOptions, 'progress'> &
  BringUpdateOptions & {
    /** From the offer. Sizes in bytes. */
    manifest: { digest: Uint8Array; size: number };
    /** Asked before a byte of the manifest is, by each run. */
    vouching: Vouching;
    /** Holds this update alone; made if absent. Removing it discards the update. */
    folder: string;
    /** Where contents, bases and chunks are looked for. Default: nowhere. */
    local?: LocalFiles;
    /** What this transfer has found there before. Default: nothing yet. */
    findings?: Findings;
  };

export type Transfer = {
  /** Frames of other transfers and objects are ignored. Resolves when the next one may come. */
  onFrame(frame: Frame, carrier?: CarrierKind): Promise<void>;
  /** A refusal that says no time to ask again ends the transfer. */
  onRefused(refused: TransferRefused): void;
  /** A bundle was imported, which may hold this update. */
  onBundle(): void;
  /** The link is open again, or something else has changed for which it is worth asking at once. */
  onLinkOpen(): void;
  /** Runs until the end, a pause or a failure; after a pause, again. One at a time. Rejects when the disk is broken. */
  run(signal: AbortSignal): Promise<TransferOutcome>;
  /** Whether what is asked for now comes over HTTPS rather than by the bus, where both are to be had. */
  isLarge(): boolean;
  /** How long the object is whose frames are asked for. Undefined: another one is under way, or none. */
  sizeOf(objectDigest: Uint8Array): number | undefined;
  /** Where a content of a complete transfer is, by its digest in lower-case hex. */
  contentPath(digest: string): string;
};

export function createTransfer(options: TransferOptions): Transfer {
  const { folder, local, findings = createFindings(), onProgress } = options;
  const { digest, size } = options.manifest;
  const contents = join(folder, 'contents');
  const progress = createProgressCount();
  const carrying = createCarrying({ ...options, progress });

  async function bring(bringing: Bringing): Promise<TransferOutcome> {
    const { store, notes } = bringing.disk;
    progress.totalBytes = 0;
    progress.isLarge = false;
    progress.doneBytes = carriedBefore(notes);
    const vouched = await vouchedFor(bringing);
    if (vouched.kind !== 'here') return vouched;
    const brought = await bringPlain(digest, size, bringing);
    if (brought.kind !== 'here') return brought;
    progress.doneBytes += size;
    const read = readManifest(await readFile(store.pathOf(Buffer.from(digest).toString('hex'))), digest);
    if (read.kind !== 'read') return read;
    const { manifest } = read;
    const whole = await bringUpdate(manifest, bringing, options);
    if (whole.kind !== 'here') return whole;
    progress.totalBytes = progress.doneBytes;
    onProgress?.(reached(progress));
    return { kind: 'complete', manifest, tally: tallyOf(manifest, notes) };
  }

  async function vouchedFor(bringing: Bringing): Promise<{ kind: 'here' } | Pause | Failure> {
    return vouch(options.vouching, async (file) => {
      const brought = await bringPlain(file.digest, file.size, bringing);
      if (brought.kind !== 'here') return brought;
      const { store, notes } = bringing.disk;
      const name = Buffer.from(file.digest).toString('hex');
      notes.vouched(name, file.size);
      const path = store.pathOf(name);
      return { kind: 'here', bytes: await readFile(path) };
    });
  }

  function tallyOf(manifest: Manifest, notes: Notes): Tally {
    const carried = carriedBefore(notes);
    return {
      carriedBytes: notes.vouchedBytes() + size + carried,
      savedBytes: Math.max(0, costFromNothing(manifest) - carried),
      origins: notes.origins(),
      carriers: notes.carriers(),
    };
  }

  return {
    onFrame: (frame, carrier = 'bus') => carrying.onFrame(frame, carrier),
    onRefused: carrying.onRefused,
    onBundle: carrying.onBundle,
    onLinkOpen: carrying.onLinkOpen,
    sizeOf: carrying.sizeOf,
    isLarge: carrying.isLarge,
    contentPath: (content) => join(contents, content),
    async run(signal) {
      const open: { close(): void }[] = [];
      const opened = <T extends { close(): void }>(one: T): T => {
        open.push(one);
        return one;
      };
      try {
        mkdirSync(folder, { recursive: true, mode: 0o700 });
        const disk = {
          ...{ folder, signal, findings, store: openContentStore(contents) },
          journal: opened(openSegmentJournal(join(folder, 'segments.db'))),
          notes: opened(openNotes(join(folder, 'notes.db'))),
          view: local === undefined ? null : opened(await local.look(signal, findings.images)),
        };
        return await bring({ carrying, progress, disk });
      } catch (error) {
        if (isDiskFull(error)) return { kind: 'paused', reason: 'disk_full' };
        if (signal.aborted) return { kind: 'paused', reason: 'aborted' };
        throw error;
      } finally {
        for (const one of open) one.close();
      }
    },
  };
}

const carriedBefore = (notes: Notes): number =>
  notes.origins().reduce((sum, { carriedBytes }) => sum + carriedBytes, 0);
