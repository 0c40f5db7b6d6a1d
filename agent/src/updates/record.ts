/** What the agent knows about one update beyond the machine's journal: the offer, what of it is on disk, how it went. */
import { fromJson, type JsonValue, toJson } from '@bufbuild/protobuf';
import {
  type StepOutcome,
  StepOutcomeSchema,
  type UpgradeOffer,
  UpgradeOfferSchema,
} from '@iotdh/proto/bus/v1';
import type { ManifestRef } from '@iotdh/proto/update/v1';
import type { Manifest, ServicePack, Target } from '../machine/update.ts';

/** How applying one half ended, or why it was not begun; written before the machine hears of it. */
export type HalfEnd = {
  /** The last two were never begun: this machine cannot take the update, or it did not arrive. */
  ending: 'applied' | 'taken_back' | 'failed' | 'refused' | 'not_received';
  reason: string;
  steps: readonly StepOutcome[];
};

/** One half of an update on disk. Bytes as the transfer counts them. */
export type Half = {
  /** The transfer has begun. */
  begun: boolean;
  /** Every byte is here and verified. */
  complete: boolean;
  carriedBytes: number;
  savedBytes: number;
  /** How the contents came, and by which carriers. */
  origins: readonly { origin: string; contents: number; contentBytes: number; carriedBytes: number }[];
  carriers: readonly { carrier: string; bytes: number }[];
  /** Why the last attempt to apply it failed, redacted, of at most 1,000 characters; empty: none has. */
  lastFailure: string;
  end: HalfEnd | null;
};

export type UpdateRecord = {
  offer: UpgradeOffer;
  /** A base that was offered by itself after the patch had failed; its transfer is another one. */
  baseOffer: UpgradeOffer | null;
  /** W3C Trace Context of the offer; empty: none. */
  traceParent: string;
  /** It came from a bundle by itself: nobody knows of it who could be asked. */
  imported: boolean;
  /** The assignment of this update that the twin pointed at, so that a twin that no longer does means something. */
  pointedAt: string | null;
  /** How often it was offered, and how often it had been when a person declined: offered anew, they are asked anew. */
  offers: number;
  declinedOffers: number;
  patch: Half;
  base: Half;
};

const emptyHalf: Half = {
  ...{ begun: false, complete: false, carriedBytes: 0, savedBytes: 0 },
  ...{ origins: [], carriers: [], lastFailure: '', end: null },
};

export function newRecord(offer: UpgradeOffer, traceParent: string, imported = false): UpdateRecord {
  return {
    offer,
    baseOffer: null,
    traceParent,
    imported,
    pointedAt: null,
    offers: 1,
    declinedOffers: 0,
    patch: emptyHalf,
    base: emptyHalf,
  };
}

/** `assignmentId`: what access to its objects is asked for with. */
export type TransferSource = { ref: ManifestRef } & Pick<
  UpgradeOffer,
  'assignmentId' | 'transferId' | 'frameSize' | 'carriers' | 'metadata'
>;

/** What is to be fetched for a half, in which transfer; null for a base that nobody has assigned. */
export function sourceOf(record: UpdateRecord, target: Target): TransferSource | null {
  const { offer, baseOffer } = record;
  if (target === 'patch') return fetched(offer.manifest, offer);
  return fetched(offer.fallback, offer) ?? (baseOffer && fetched(baseOffer.manifest, baseOffer));
}

function fetched(ref: ManifestRef | undefined, offer: UpgradeOffer): TransferSource | null {
  const { assignmentId, transferId, frameSize, carriers, metadata } = offer;
  return ref === undefined ? null : { ref, assignmentId, transferId, frameSize, carriers, metadata };
}

/** The assignment that a half was offered for. */
export function assignmentOf({ offer, baseOffer }: UpdateRecord, target: Target): string {
  return target === 'base' && offer.fallback === undefined && baseOffer !== null
    ? baseOffer.assignmentId
    : offer.assignmentId;
}

/** The update as the state machine knows it. */
export function packOf(record: UpdateRecord): ServicePack {
  const patch = manifestOf(record, 'patch');
  if (patch === null) throw new Error('an offer without a manifest');
  return { updateId: record.offer.assignmentId, patch, base: manifestOf(record, 'base') };
}

export function manifestOf(record: UpdateRecord, target: Target): Manifest | null {
  const source = sourceOf(record, target);
  if (source === null) return null;
  const { ref, transferId } = source;
  return { version: ref.version, digest: Buffer.from(ref.digest).toString('hex'), transferId };
}

/** As JSON that `readRecord` reads. */
export function recordToJson(record: UpdateRecord): JsonValue {
  const half = ({ end, origins, carriers, ...rest }: Half) => ({
    ...rest,
    origins: [...origins],
    carriers: [...carriers],
    end: end && { ...end, steps: end.steps.map((step) => toJson(StepOutcomeSchema, step)) },
  });
  const { offer, baseOffer, patch, base, ...rest } = record;
  return {
    version: 1,
    ...rest,
    offer: toJson(UpgradeOfferSchema, offer),
    baseOffer: baseOffer && toJson(UpgradeOfferSchema, baseOffer),
    patch: half(patch),
    base: half(base),
  };
}

/** The record of a parsed file; null if it is none. What a later release added is ignored. */
export function readRecord(parsed: unknown): UpdateRecord | null {
  if (typeof parsed !== 'object' || parsed === null || !('version' in parsed) || parsed.version !== 1)
    return null;
  const json = parsed as unknown as Omit<
    UpdateRecord,
    'offer' | 'baseOffer' | 'imported' | 'patch' | 'base'
  > & {
    imported?: boolean;
    offer: JsonValue;
    baseOffer: JsonValue;
    patch: HalfJson;
    base: HalfJson;
  };
  // What an earlier release wrote does not say.
  const { imported = false } = json;
  const lenient = { ignoreUnknownFields: true };
  try {
    return {
      offer: fromJson(UpgradeOfferSchema, json.offer, lenient),
      baseOffer: json.baseOffer === null ? null : fromJson(UpgradeOfferSchema, json.baseOffer, lenient),
      traceParent: json.traceParent,
      imported,
      pointedAt: json.pointedAt,
      offers: json.offers,
      declinedOffers: json.declinedOffers,
      patch: readHalf(json.patch),
      base: readHalf(json.base),
    };
  } catch {
    return null;
  }
}

type HalfJson = Omit<Half, 'end'> & { end: (Omit<HalfEnd, 'steps'> & { steps: JsonValue[] }) | null };

function readHalf(json: HalfJson): Half {
  // What an earlier release wrote has not all of them.
  const { begun, complete, carriedBytes, savedBytes, end } = json;
  const { origins = [], carriers = [], lastFailure = '' } = json;
  const steps =
    end?.steps.map((step) => fromJson(StepOutcomeSchema, step, { ignoreUnknownFields: true })) ?? [];
  return {
    begun,
    complete,
    carriedBytes,
    savedBytes,
    origins,
    carriers,
    lastFailure,
    end: end && { ending: end.ending, reason: end.reason, steps },
  };
}
