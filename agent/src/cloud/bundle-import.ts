/**
 * A bundle that a site engineer brings takes the part of an offer: the same event, the same refusals. When the update is under way
 * already, the bundle becomes one more carrier of it.
 */
import { randomUUID } from 'node:crypto';
import { lstat, realpath } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { create, fromJson, type JsonValue, toJson } from '@bufbuild/protobuf';
import { Carrier, type UpgradeOffer, UpgradeOfferSchema } from '@iotdh/proto/bus/v1';
import { type ManifestRef, type MetadataFile, UpdateKind } from '@iotdh/proto/update/v1';
import { type Document, openDocument } from '../durable/document.ts';
import type { Log } from '../log/log.ts';
import type { Update } from '../machine/update.ts';
import { readBundle, readBundledMetadata } from '../transfer/bundle/read-bundle.ts';
import { vouch } from '../transfer/vouching.ts';
import type { ManifestTrust } from '../trust/manifest-trust.ts';
import type { Media } from '../updates/media.ts';
import { sourceOf } from '../updates/record.ts';
import type { UpdateStore } from '../updates/update-store.ts';
import type { Offers } from './offers.ts';

export type BundleImportOptions = {
  updates: UpdateStore;
  media: Media;
  pending: () => Update | null;
  offers: Pick<Offers, 'takeImported'>;
  trust: Pick<ManifestTrust, 'vouchingFor'>;
  /** Keeps the offer of a bundle that was imported while the machine was busy. */
  waiting: Document<UpgradeOffer | null>;
  /** A bundle is known now that may hold what is under way. */
  onBundle: () => void;
  log: Log;
};

export type Imported =
  | { kind: 'taken' | 'waits' | 'joined'; ref: ManifestRef }
  /** Something is wrong with the bundle. */
  | { kind: 'invalid'; reason: string }
  /** Something is in the way at this machine. */
  | { kind: 'refused'; reason: string }
  | { kind: 'later'; reason: string };

export type BundleImport = {
  take(path: string): Promise<Imported>;
  /** The machine is ready: what was imported while it was busy is offered again, since no cloud does. */
  onReady(): Promise<void>;
};

/** The contract's largest frame. */
const frameSize = 61_440;

export function createBundleImport(options: BundleImportOptions): BundleImport {
  const { updates, media, pending, offers, trust, waiting, onBundle, log } = options;

  /** The half under way that these bytes are for, if its offer lets them come from a bundle. */
  function underWay(ref: ManifestRef): { allowed: boolean; transferId: string } | null {
    const update = pending();
    const record = update && updates.get(update.updateId);
    if (update === null || record === null) return null;
    for (const target of ['patch', 'base'] as const) {
      const source = sourceOf(record, target);
      if (source !== null && Buffer.compare(source.ref.digest, ref.digest) === 0)
        return {
          allowed: source.carriers.includes(Carrier.OFFLINE),
          transferId: source.transferId,
        };
    }
    return null;
  }

  /**
   * Null: it is signed, by what this machine trusts and what the bundle has. Told before anything is taken, to whoever brought it; the
   * transfer asks again.
   */
  async function whyUnsigned(
    ref: ManifestRef,
    transferId: string,
    folder: string,
    metadata: readonly MetadataFile[],
  ): Promise<string | null> {
    const vouching = trust.vouchingFor({ ref, transferId, offered: () => ({ metadata, times: 1 }) });
    const vouched = await vouch(vouching, (file) => readBundledMetadata(folder, file));
    return vouched.kind === 'failed' ? vouched.detail : null;
  }

  async function take(folder: string): Promise<Imported> {
    const bundle = await readBundle(folder);
    if (bundle.kind === 'bad') return { kind: 'invalid', reason: bundle.reason };
    const { metadata } = bundle;
    const known = bundle.updates.map(({ ref }) => underWay(ref)).find((found) => found !== null);
    const transferId = known?.transferId ?? randomUUID();
    for (const { ref } of bundle.updates) {
      const unsigned = await whyUnsigned(ref, transferId, folder, metadata);
      if (unsigned !== null) return { kind: 'invalid', reason: unsigned };
    }
    const patch = bundle.updates.find(({ ref }) => ref.kind === UpdateKind.PATCH);
    const base = bundle.updates.find(({ ref }) => ref.kind === UpdateKind.BASE);
    const first = patch ?? base;
    if (first === undefined) return { kind: 'invalid', reason: 'the bundle holds no update' };
    if (known?.allowed === false) {
      return { kind: 'refused', reason: 'its assignment says that it may not come from a bundle' };
    }
    media.remember(
      folder,
      bundle.updates.map(({ ref }) => Buffer.from(ref.digest).toString('hex')),
    );
    onBundle();
    if (known) return { kind: 'joined', ref: first.ref };
    const offer = create(UpgradeOfferSchema, {
      ...{ assignmentId: randomUUID(), transferId, frameSize, metadata: [...metadata] },
      ...{ manifest: first.ref, title: first.title, carriers: [Carrier.OFFLINE] },
      ...(patch && base && { fallback: base.ref }),
    });
    const answer = await offers.takeImported(offer);
    waiting.write(answer.kind === 'waits' ? offer : null);
    return answer.kind === 'refused' || answer.kind === 'later'
      ? answer
      : { kind: answer.kind, ref: first.ref };
  }

  async function importFrom(path: string): Promise<Imported> {
    if (!isAbsolute(path)) return { kind: 'invalid', reason: `${path} is no absolute path` };
    const found = await lstat(path).catch(() => null);
    if (found === null) return { kind: 'invalid', reason: `${path} does not exist` };
    if (found.isSymbolicLink())
      return { kind: 'invalid', reason: `${path} is a link; name the folder that it leads to` };
    const imported = await take(await realpath(path));
    const words = 'reason' in imported ? `${imported.kind}: ${imported.reason}` : imported.kind;
    const level = 'reason' in imported ? 'warn' : 'info';
    log({ level, component: 'offers', message: `the bundle in ${path} is ${words}` });
    return imported;
  }

  return {
    take: importFrom,
    async onReady() {
      if (waiting.value === null) return;
      const { kind } = await offers.takeImported(waiting.value);
      if (kind !== 'later' && kind !== 'waits') waiting.write(null);
    },
  };
}

/** The document of `waiting`. */
export function openWaiting(path: string, onDamaged: (path: string) => void): Document<UpgradeOffer | null> {
  const document = openDocument<{ offer: JsonValue }>({
    path,
    read: (parsed) =>
      typeof parsed === 'object' && parsed !== null && 'offer' in parsed
        ? (parsed as { offer: JsonValue })
        : null,
    initial: { offer: null },
    onDamaged,
  });
  let value = document.value.offer === null ? null : fromJson(UpgradeOfferSchema, document.value.offer);
  return {
    get value() {
      return value;
    },
    write(next) {
      if (next === null && value === null) return;
      document.write({ offer: next && toJson(UpgradeOfferSchema, next) });
      value = next;
    },
  };
}
