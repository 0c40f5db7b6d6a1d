/**
 * Signs a pack: the targets that follow the newest ones, with its manifest among them. They are kept in `metadata/` of the pack
 * until as many people have signed them as the root asks for; each signature is one command of one person.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  addSignature,
  encodeMetadata,
  fileName,
  type Metadata,
  nextTargets,
  type Root,
  type SignedManifest,
  type Signer,
  settingsOf,
  signedAs,
  signedManifests,
  type Targets,
  type Threshold,
  thresholdOf,
} from '@iotdh/trust/author';
import { exitCode } from '../exit-code.ts';
import { Failure } from '../failure.ts';
import type { PackFolder } from '../pack-build/pack-folder.ts';
import { parsedTargets, type Repository } from './fleet-metadata.ts';
import { keepIn, readKept, writeKept } from './kept-metadata.ts';

export type SignedPack = {
  targets: Metadata<Targets>;
  bytes: Buffer;
  threshold: Threshold;
  /** How these targets differ from those before, as `name@version`. */
  added: string[];
  removed: string[];
};

export type PackToSign = Pick<PackFolder, 'folder' | 'manifest' | 'manifestBytes' | 'digest' | 'sbom'>;

const metadataFolderOf = ({ folder }: Pick<PackToSign, 'folder'>): string => join(folder, 'metadata');

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
export function isSigned({ targets }: Repository, pack: PackToSign): boolean {
  const manifest = manifestToSign(pack);
  const signed = targets && signedAs(targets.metadata.signed, manifest);
  return signed !== null && signed.sbom?.digest === manifest.sbom?.digest;
}

/** The targets that wait in the pack for signatures. Null: there are none, or what they follow is no longer the newest. */
export function pendingTargets(repository: Repository, pack: PackToSign): SignedPack | null {
  const due = (repository.targets?.metadata.signed.version ?? 0) + 1;
  const path = join(metadataFolderOf(pack), fileName('targets', due));
  if (!existsSync(path)) return null;
  const targets = parsedTargets(readFileSync(path));
  const wanted = manifestToSign(pack);
  const names = signedManifests(targets.signed).some(
    ({ name, version, digest, sbom }) =>
      name === wanted.name &&
      version === wanted.version &&
      digest === wanted.digest &&
      sbom?.digest === wanted.sbom?.digest,
  );
  return names ? signedPack(repository, targets) : null;
}

/** Adds the signatures of these keys, and keeps the targets in the pack. Throws a `Failure` when none of them may sign. */
export async function signPack(
  repository: Repository,
  pack: PackToSign,
  signers: readonly Signer[],
  nowMs: number,
): Promise<SignedPack> {
  const root = rootOf(repository);
  const keyIds = settingsOf(root).targets.keys.map(({ keyID }) => keyID);
  const mine = signers.filter(({ key }) => keyIds.includes(key.keyID));
  if (mine.length === 0) {
    throw new Failure(exitCode.usage, `root ${root.version} lets none of these keys sign targets`, {
      next: 'See whose may with: iotdh keys list',
    });
  }
  const before = repository.targets?.metadata.signed ?? null;
  const targets =
    pendingTargets(repository, pack)?.targets ?? nextTargets(before, { add: [manifestToSign(pack)] }, nowMs);
  for (const signer of mine) await addSignature(targets, signer);
  const signed = signedPack(repository, targets);
  keep(repository, pack, signed);
  return signed;
}

function signedPack(repository: Repository, targets: Metadata<Targets>): SignedPack {
  const nameOf = ({ name, version, digest }: SignedManifest) => `${name}@${version} ${digest}`;
  const before = new Set(
    (repository.targets ? signedManifests(repository.targets.metadata.signed) : []).map(nameOf),
  );
  const after = new Set(signedManifests(targets.signed).map(nameOf));
  const short = (name: string) => name.slice(0, name.indexOf(' '));
  return {
    targets,
    bytes: encodeMetadata(targets),
    threshold: thresholdOf(rootOf(repository), 'targets', targets),
    added: [...after].filter((name) => !before.has(name)).map(short),
    removed: [...before].filter((name) => !after.has(name)).map(short),
  };
}

function keep(repository: Repository, pack: PackToSign, { targets, bytes }: SignedPack): void {
  const folder = metadataFolderOf(pack);
  keepIn(folder, repository);
  writeKept(folder, fileName('targets', targets.signed.version), bytes);
}

/** What the pack's own `metadata/` says is in force: for signing without a fleet. Null: it has none. */
export const repositoryIn = (pack: PackToSign): Repository | null => readKept(metadataFolderOf(pack));

function rootOf({ root }: Repository): Root {
  if (root === null) {
    throw new Failure(exitCode.failed, 'this fleet has no root yet, so nobody can sign', {
      next: 'Make keys and a root with: iotdh keys init',
    });
  }
  return root.signed;
}
