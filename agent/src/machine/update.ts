/** What is on its way to this machine, as the state machine knows it: names and digests, never contents. */

/** A patch is the normal case; the base is the full baseline that takes its place when it fails its integrity check. */
export type Target = 'patch' | 'base';

/** One manifest to be brought here and applied. Every text is non-empty and at most 256 characters long. */
export type Manifest = {
  /** The version as people read it. */
  version: string;
  /** SHA-256 of the signed manifest in lower-case hex: what a person is shown, and what a confirm must name. */
  digest: string;
  /** The transfer that brings the manifest's objects. */
  transferId: string;
};

/**
 * What the cloud assigns. `base` is what the machine fetches if the patch fails; null while none is assigned, and then a
 * machine whose patch failed waits for `cloud_fallback`.
 */
export type ServicePack = { updateId: string; patch: Manifest; base: Manifest | null };

/** The half of a service pack that is under way or waits: what effects work on, and what people are told of. */
export type Update = { updateId: string; target: Target; manifest: Manifest };

/** What the disk holds of a service pack. `complete` means that every byte of that half is there and verified. */
export type Held = { pack: ServicePack; complete: boolean };
export type Disk = { patch: Held | null; base: Held | null };

/** How an update ended. `restored`: the base took the failed patch's place; `fell_back`: the base did not boot either. */
export const appliedEndings = ['applied', 'restored', 'fell_back'] as const;
/** How one ended that was not being applied: `cancelled` by the cloud, or `refused` by this machine. */
export const droppedEndings = ['cancelled', 'refused'] as const;
export const endings = [...appliedEndings, ...droppedEndings] as const;
export type AppliedEnding = (typeof appliedEndings)[number];
export type DroppedEnding = (typeof droppedEndings)[number];
export type Ending = (typeof endings)[number];

/** What a person can answer to a prompt. */
export const answers = ['confirm', 'postpone', 'decline'] as const;

/** What a person answered, about one manifest. */
export type Decision = {
  answer: (typeof answers)[number];
  updateId: string;
  manifestDigest: string;
  /** Who answered, as the host application knows them. */
  person: string;
  /** Until when not to ask again, in ms since 1970; null unless postponed. */
  untilMs: number | null;
};

/** The half of the pack that `target` names; null for a base that is not assigned yet. */
export function updateOf(pack: ServicePack, target: 'patch'): Update;
export function updateOf(pack: ServicePack, target: Target): Update | null;
export function updateOf(pack: ServicePack, target: Target): Update | null {
  const manifest = pack[target];
  return manifest && { updateId: pack.updateId, target, manifest };
}
