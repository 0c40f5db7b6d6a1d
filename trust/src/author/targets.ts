/** Makes targets metadata: which manifests are signed. */
import { Metadata, TargetFile, Targets } from '@tufjs/models';
import { instant } from '../format/issued.ts';
import { type ManifestKind, type ManifestName, targetPath } from '../format/names.ts';
import { lifetimeMs, specVersion } from './roots.ts';

/** Digests are SHA-256 in lower-case hex. */
export type SignedManifest = ManifestName & {
  kind: ManifestKind;
  digest: string;
  size: number;
  /** The bill of materials of the pack, signed with it. */
  sbom?: { digest: string; size: number };
};

/** The manifests that metadata sign, by path. */
export function signedManifests({ targets }: Targets): SignedManifest[] {
  return Object.values(targets).flatMap(({ path, length, hashes, custom }) => {
    const slash = path.indexOf('/');
    const kind: ManifestKind | undefined =
      custom.kind === 'patch' || custom.kind === 'base' ? custom.kind : undefined;
    if (slash < 0 || kind === undefined || hashes.sha256 === undefined) return [];
    return [
      {
        name: path.slice(0, slash),
        version: path.slice(slash + 1),
        kind,
        digest: hashes.sha256,
        size: length,
        ...sbomIn(custom),
      },
    ];
  });
}

/** The manifest as metadata sign it, with its bill of materials. Null: they sign none, or another one, under its name and version. */
export function signedAs(targets: Targets, manifest: Omit<SignedManifest, 'sbom'>): SignedManifest | null {
  const { name, version, kind, digest, size } = manifest;
  const found = signedManifests(targets).find(
    (one) =>
      one.name === name &&
      one.version === version &&
      one.kind === kind &&
      one.digest === digest &&
      one.size === size,
  );
  return found ?? null;
}

function sbomIn({ sbom }: Record<string, unknown>): Pick<SignedManifest, 'sbom'> {
  const { sha256, length } = (sbom ?? {}) as { sha256?: unknown; length?: unknown };
  if (typeof sha256 !== 'string' || typeof length !== 'number') return {};
  return { sbom: { digest: sha256, size: length } };
}

/** The next targets: what was signed before, without what is removed, and with what is added. `previous` null: the first ones. */
export function nextTargets(
  previous: Targets | null,
  changes: { add?: readonly SignedManifest[]; remove?: readonly ManifestName[] },
  nowMs: number,
): Metadata<Targets> {
  const kept = new Map(Object.entries(previous?.targets ?? {}));
  for (const name of changes.remove ?? []) kept.delete(targetPath(name));
  for (const manifest of changes.add ?? []) kept.set(targetPath(manifest), targetOf(manifest));
  return new Metadata(
    new Targets({
      version: (previous?.version ?? 0) + 1,
      specVersion,
      expires: instant(nowMs + lifetimeMs.targets),
      targets: Object.fromEntries([...kept].sort(([a], [b]) => (a < b ? -1 : 1))),
    }),
  );
}

function targetOf(manifest: SignedManifest): TargetFile {
  const { kind, name, version, digest, size, sbom } = manifest;
  const signedSbom = sbom === undefined ? {} : { sbom: { sha256: sbom.digest, length: sbom.size } };
  return new TargetFile({
    path: targetPath(manifest),
    length: size,
    hashes: { sha256: digest },
    unrecognizedFields: { custom: { kind, name, version, ...signedSbom } },
  });
}
