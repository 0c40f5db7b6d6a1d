/** The targets with which a pack is signed. They wait in `metadata/` of the pack. */
import { join } from 'node:path';
import { nextTargets, type SignedManifest, type Signer, signedAs, type Targets } from '@iotdh/trust/author';
import type { PackFolder } from '../pack-build/pack-folder.ts';
import { type Found, parsedTargets } from './fleet-metadata.ts';
import { readKept } from './kept-metadata.ts';
import {
  type NextTargets,
  nextOf,
  requireSignable,
  signTargets,
  targetsPath,
  waitingIn,
} from './sign-targets.ts';
import type { Repository } from './trusted-metadata.ts';

export type PackToSign = Pick<PackFolder, 'folder' | 'manifest' | 'manifestBytes' | 'digest' | 'sbom'>;

export const metadataFolderOf = ({ folder }: Pick<PackToSign, 'folder'>): string => join(folder, 'metadata');

/** The manifest as targets name it. */
export function manifestToSign({ manifest, manifestBytes, digest, sbom }: PackToSign): SignedManifest {
  const { name, version, content } = manifest;
  return {
    ...{ name, version, digest, size: manifestBytes.length },
    kind: content.case === 'base' ? 'base' : 'patch',
    ...(sbom !== null && { sbom: { digest: sbom.digest, size: sbom.bytes.length } }),
  };
}

/** Whether the newest targets sign this pack as it is. */
export const isSigned = ({ targets }: Repository, pack: PackToSign): boolean =>
  targets !== null && names(targets.metadata.signed, pack);

function names(targets: Targets, pack: PackToSign): boolean {
  const manifest = manifestToSign(pack);
  const signed = signedAs(targets, manifest);
  return signed !== null && signed.sbom?.digest === manifest.sbom?.digest;
}

/** The targets that wait in the pack for signatures. Null: there are none, or what they follow is no longer the newest. */
export function pendingTargets(repository: Repository, pack: PackToSign): NextTargets | null {
  const waiting = waitingIn(repository, metadataFolderOf(pack));
  return waiting !== null && names(waiting.targets.signed, pack) ? waiting : null;
}

/**
 * The targets in the pack that people have signed for it and that another signature overtook: they follow others than those in force.
 * Null: there are none.
 */
export function overtaken(repository: Repository, pack: PackToSign): number | null {
  const inForce = repository.targets?.metadata.signed.version ?? 0;
  const kept = foundIn(pack)?.targets.map((bytes) => parsedTargets(bytes).signed) ?? [];
  return kept.find((targets) => targets.version <= inForce && names(targets, pack))?.version ?? null;
}

/** The targets to sign next: those that wait, or new ones; with this pack among them, and beside it what is in force. */
export function targetsFor(repository: Repository, pack: PackToSign, nowMs: number): NextTargets {
  const waiting = pendingTargets(repository, pack);
  if (waiting === null) {
    const before = repository.targets?.metadata.signed ?? null;
    return nextOf(repository, nextTargets(before, { add: [manifestToSign(pack)] }, nowMs));
  }
  const only = [`${pack.manifest.name}@${pack.manifest.version}`];
  const path = targetsPath(metadataFolderOf(pack), waiting.targets.signed.version);
  requireSignable(waiting, { path, mayAdd: only, mayRemove: only, nowMs });
  return waiting;
}

/** Adds the signatures of these keys without a question. */
export const signPack = (
  repository: Repository,
  pack: PackToSign,
  signers: readonly Signer[],
  nowMs: number,
): Promise<NextTargets> =>
  signTargets(repository, targetsFor(repository, pack, nowMs), signers, metadataFolderOf(pack));

/** What the pack's own `metadata/` says is in force: for signing without a fleet. Null: it has none. */
export const foundIn = (pack: PackToSign): Found | null => readKept(metadataFolderOf(pack));
