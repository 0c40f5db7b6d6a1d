/**
 * A root that is to follow, and the targets that have to be signed anew when other keys sign them. Both wait in a folder until as many
 * people have signed as the root before asks for and the new one itself; each signature is one command of one person.
 */
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  acceptRoot,
  acceptTargets,
  addSignature,
  encodeMetadata,
  fileName,
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
import { parsedRoot, parsedTargets, type Repository } from './fleet-metadata.ts';
import { keepIn, readBounded, writeKept } from './kept-metadata.ts';
import type { OfflineRole } from './key-folder.ts';

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

const files = { root: 'next.root.json', targets: 'next.targets.json' } as const;
const minIdLength = 8;

export function prepareRotation(repository: Repository, changes: RootChanges, nowMs: number): Rotation {
  const before = rootOf(repository);
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

/** The rotation that waits in the folder. Null: there is none. Throws a `Failure` when it does not follow what is in force. */
export function pendingRotation(repository: Repository, folder: string): Rotation | null {
  const path = join(folder, files.root);
  if (!existsSync(path)) return null;
  const root = parsedRoot(readBounded(path, 'root'));
  const { version } = rootOf(repository);
  const inForce = repository.roots.at(-1)?.bytes ?? new Uint8Array();
  if (Buffer.compare(encodeMetadata(root), inForce) === 0) {
    // It was handed in, and whoever did so did not live to say it here.
    settleRotation({ root, targets: null }, folder);
    rmSync(join(folder, files.targets), { force: true });
    return null;
  }
  if (root.signed.version !== version + 1) {
    throw new Failure(
      exitCode.failed,
      `${path} is root ${root.signed.version}, and root ${version} is in force`,
      {
        next: `Remove ${path}, and begin anew.`,
      },
    );
  }
  const targetsPath = join(folder, files.targets);
  const targets = existsSync(targetsPath) ? parsedTargets(readBounded(targetsPath, 'targets')) : null;
  const due = (repository.targets?.metadata.signed.version ?? 0) + 1;
  if (targets !== null && targets.signed.version !== due) {
    throw new Failure(exitCode.failed, `a pack was signed meanwhile: targets ${due} are due`, {
      next: `Remove ${path} and ${targetsPath}, and begin anew.`,
    });
  }
  return { root, targets };
}

/** Adds the signatures of these keys, and keeps the rotation in the folder. Throws a `Failure` for a key that counts nowhere. */
export async function signRotation(
  repository: Repository,
  { root, targets }: Rotation,
  signers: readonly Signer[],
  folder: string,
): Promise<Progress> {
  const before = settingsOf(rootOf(repository));
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
  keepIn(folder, repository);
  // Without the root it is no rotation, so it comes last.
  if (targets !== null) writeKept(folder, files.targets, encodeMetadata(targets));
  writeKept(folder, files.root, encodeMetadata(root));
  return progressOf(repository, { root, targets });
}

export function progressOf(repository: Repository, { root, targets }: Rotation): Progress {
  const before = thresholdOf(rootOf(repository), 'root', root);
  const itself = thresholdOf(root.signed, 'root', root);
  const signed = targets && thresholdOf(root.signed, 'targets', targets);
  return { before, itself, targets: signed, met: before.met && itself.met && signed?.met !== false };
}

export function differencesOf(repository: Repository, { root }: Rotation): RootDifference[] {
  const [before, after] = [settingsOf(rootOf(repository)), settingsOf(root.signed)];
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
  const accepted = acceptRoot(rootOf(repository), bytes);
  if (accepted.kind === 'refused') throw new Failure(exitCode.failed, accepted.detail);
  if (targets === null) return { roots: [bytes], targets: Buffer.alloc(0) };
  const current = repository.targets?.metadata.signed ?? null;
  const targetBytes = encodeMetadata(targets);
  const taken = acceptTargets(root.signed, current, targetBytes, nowMs);
  if (taken.kind === 'refused') throw new Failure(exitCode.failed, taken.detail);
  return { roots: [bytes], targets: targetBytes };
}

/** It waits no longer: the files are named as those before them. */
export function settleRotation({ root, targets }: Rotation, folder: string): void {
  renameSync(join(folder, files.root), join(folder, fileName('root', root.signed.version)));
  if (targets !== null)
    renameSync(join(folder, files.targets), join(folder, fileName('targets', targets.signed.version)));
}

function rootOf({ root }: Repository): Root {
  if (root !== null) return root.signed;
  throw new Failure(exitCode.failed, 'this fleet has no root yet', {
    next: 'Make keys and a root with: iotdh keys init',
  });
}
