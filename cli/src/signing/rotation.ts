/**
 * A root that is to follow, and the targets that have to be signed anew when other keys sign them. Both wait in a folder until as many
 * people have signed as the root before asks for and the new one itself; each signature is one command of one person.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  acceptRoot,
  acceptTargets,
  addSignature,
  encodeMetadata,
  type Key,
  type Metadata,
  nextRoot,
  nextTargets,
  type Role,
  type RoleSetting,
  type Root,
  roles,
  type Signer,
  settingsOf,
  type Targets,
  type Threshold,
  thresholdOf,
} from '@iotdh/trust/author';
import { exitCode } from '../exit-code.ts';
import { Failure } from '../failure.ts';
import { keepIn, writeKept } from './kept-metadata.ts';
import type { OfflineRole } from './key-folder.ts';
import type { Repository } from './trusted-metadata.ts';
import { waitingFiles } from './waiting-rotation.ts';

export type RootChanges = {
  /** Ids, or the beginnings of ids, of keys that no longer count. */
  remove: readonly string[];
  add: Readonly<Record<OfflineRole, readonly Key[]>>;
  threshold: Partial<Record<OfflineRole, number>>;
  /** The keys that the fleet signs with from now on. Null: those of the root before. */
  online: { snapshot: Key; timestamp: Key } | null;
};

export type Rotation = {
  root: Metadata<Root>;
  /** Null: those in force stay signed. */
  targets: Metadata<Targets> | null;
};

/** How a new root differs from the one before, as lines for a person who is to sign it. */
export type RootDifference = { role: Role; added: string[]; removed: string[]; threshold: [number, number] };

/** What is still to be signed: by whom the root before names, by whom the new one names, and the targets. */
export type Progress = { before: Threshold; itself: Threshold; targets: Threshold | null; met: boolean };

const minIdLength = 8;

export function prepareRotation(repository: Repository, changes: RootChanges, nowMs: number): Rotation {
  const before = repository.root.signed;
  const now = settingsOf(before);
  const dropped = changes.remove.map((id) => keyOf(now, id));
  const changed = (role: OfflineRole): RoleSetting => {
    const kept = now[role].keys.filter(({ keyID }) => !dropped.includes(keyID));
    const keys = [...kept, ...changes.add[role]];
    const threshold = changes.threshold[role] ?? now[role].threshold;
    if (threshold <= keys.length) return { keys, threshold };
    throw new Failure(
      exitCode.usage,
      `${role}: a threshold of ${threshold} cannot be met by ${keys.length} keys`,
    );
  };
  const { online } = changes;
  const root = nextRoot(
    before,
    {
      root: changed('root'),
      targets: changed('targets'),
      ...(online !== null && {
        snapshot: { keys: [online.snapshot], threshold: 1 },
        timestamp: { keys: [online.timestamp], threshold: 1 },
      }),
    },
    nowMs,
  );
  const current = repository.targets?.metadata;
  const stays = current === undefined || thresholdOf(root.signed, 'targets', current).met;
  return { root, targets: stays ? null : nextTargets(current.signed, {}, nowMs) };
}

function keyOf(settings: ReturnType<typeof settingsOf>, id: string): string {
  const known = [...settings.root.keys, ...settings.targets.keys].map(({ keyID }) => keyID);
  const found = new Set(known.filter((keyId) => keyId.startsWith(id)));
  const [keyId] = found;
  if (id.length >= minIdLength && found.size === 1 && keyId !== undefined) return keyId;
  throw new Failure(
    exitCode.usage,
    `${id} is not the beginning of one key of people, at least ${minIdLength} long`,
    {
      next: 'See them with: iotdh keys list',
    },
  );
}

/** Adds the signatures of these keys, and keeps the rotation in the folder. Throws a `Failure` for a key that counts nowhere. */
export async function signRotation(
  repository: Repository,
  { root, targets }: Rotation,
  signers: readonly Signer[],
  folder: string,
): Promise<Progress> {
  const before = settingsOf(repository.root.signed);
  const after = settingsOf(root.signed);
  const has = ({ keys }: RoleSetting, { key }: Signer) => keys.some(({ keyID }) => keyID === key.keyID);
  for (const signer of signers) {
    const signsRoot = has(before.root, signer) || has(after.root, signer);
    const signsTargets = targets !== null && has(after.targets, signer);
    if (!signsRoot && !signsTargets) {
      throw new Failure(exitCode.usage, `key ${signer.key.keyID.slice(0, 12)} has nothing to sign here`, {
        next: 'See whose may with: iotdh keys list',
      });
    }
    if (signsRoot) await addSignature(root, signer);
    if (signsTargets) await addSignature(targets, signer);
  }
  mkdirSync(folder, { recursive: true });
  await keepIn(folder, repository);
  // Without the root it is no rotation, so it comes last. Targets of one that came to nothing are not this one's.
  if (targets === null) rmSync(join(folder, waitingFiles.targets), { force: true });
  else await writeKept(folder, waitingFiles.targets, encodeMetadata(targets));
  await writeKept(folder, waitingFiles.root, encodeMetadata(root));
  return progressOf(repository, { root, targets });
}

export function progressOf(repository: Repository, { root, targets }: Rotation): Progress {
  const before = thresholdOf(repository.root.signed, 'root', root);
  const itself = thresholdOf(root.signed, 'root', root);
  const signed = targets && thresholdOf(root.signed, 'targets', targets);
  return { before, itself, targets: signed, met: before.met && itself.met && signed?.met !== false };
}

export function differencesOf(repository: Repository, { root }: Rotation): RootDifference[] {
  const [before, after] = [settingsOf(repository.root.signed), settingsOf(root.signed)];
  return roles.flatMap((role) => {
    const [old, fresh] = [before, after].map((settings) => settings[role].keys.map(({ keyID }) => keyID));
    const added = fresh?.filter((keyId) => !old?.includes(keyId)) ?? [];
    const removed = old?.filter((keyId) => !fresh?.includes(keyId)) ?? [];
    const threshold: [number, number] = [before[role].threshold, after[role].threshold];
    const isSame = added.length + removed.length === 0 && threshold[0] === threshold[1];
    return isSame ? [] : [{ role, added, removed, threshold }];
  });
}

/** What is to be handed in, looked at as the fleet will. Throws a `Failure`. */
export function handedIn(
  repository: Repository,
  { root, targets }: Rotation,
  nowMs: number,
): { roots: Buffer[]; targets: Buffer } {
  const bytes = encodeMetadata(root);
  const accepted = acceptRoot(repository.root.signed, bytes);
  if (accepted.kind === 'refused') throw new Failure(exitCode.failed, accepted.detail);
  if (targets === null) return { roots: [bytes], targets: Buffer.alloc(0) };
  const current = repository.targets?.metadata.signed ?? null;
  const targetBytes = encodeMetadata(targets);
  const taken = acceptTargets(root.signed, current, targetBytes, nowMs);
  if (taken.kind === 'refused') throw new Failure(exitCode.failed, taken.detail);
  return { roots: [bytes], targets: targetBytes };
}
