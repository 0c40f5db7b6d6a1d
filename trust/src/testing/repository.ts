/** A repository for tests: keys of every role, the newest metadata, and whatever of them a test wants otherwise. */
import { createHash } from 'node:crypto';
import {
  addSignature,
  encodeMetadata,
  generatePrivateKey,
  type KeyType,
  keySigner,
  type Metadata,
  makeRoot,
  makeSnapshot,
  makeTimestamp,
  nextRoot,
  nextTargets,
  type Role,
  type RoleSetting,
  type Root,
  readMetadata,
  type SignedManifest,
  type Signer,
  type Targets,
} from '../author/index.ts';
import type { BroughtFile, OfferedFile, OfferedManifest } from '../device/index.ts';

export type RepositoryOptions = {
  /** Milliseconds since 1970, when everything is signed until a test says otherwise. */
  nowMs: number;
  /** Keys and threshold of the targets. Default 1 of 1. */
  targets?: { keys: number; threshold: number };
  keyType?: KeyType;
};

export type Repository = {
  nowMs: number;
  readonly signers: Record<Role, Signer[]>;
  readonly roots: Buffer[];
  timestamp: Buffer;
  snapshot: Buffer;
  targets: Buffer;
  versions: Record<Exclude<Role, 'root'>, number>;
  /** The first root. */
  readonly anchor: Buffer;
  /** Signs a manifest, and makes a snapshot and a timestamp of it. */
  publish(...manifests: SignedManifest[]): Promise<void>;
  /** A new timestamp, and what it names; with `snapshot` a new one of those too. */
  renew(what?: { snapshot?: boolean }): Promise<void>;
  /** A new root in which some roles have other keys; signed by the root keys before and after. */
  rotate(changes: Partial<Record<Role, RoleSetting>>, by?: readonly Signer[]): Promise<void>;
  /** What an offer names, and the bytes. */
  files(): (OfferedFile & BroughtFile)[];
};

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** A manifest of these bytes. */
export function manifest(
  name: string,
  version: string,
  bytes = Buffer.from(`${name} ${version}`),
): OfferedManifest {
  return { name, version, kind: 'patch', digest: sha256(bytes), size: bytes.length };
}

export const newSigner = (type: KeyType = 'ed25519'): Signer => keySigner(generatePrivateKey(type));

export async function signedBy(
  metadata: Parameters<typeof addSignature>[0],
  signers: readonly Signer[],
): Promise<Buffer> {
  for (const signer of signers) await addSignature(metadata, signer);
  return encodeMetadata(metadata);
}

/** What is in a file that is known to be right. */
export function parsed<R extends Role>(role: R, bytes: Uint8Array) {
  const read = readMetadata(role, bytes);
  if (read.kind === 'refused') throw new Error(read.detail);
  return read.metadata;
}

export async function createRepository(options: RepositoryOptions): Promise<Repository> {
  const { keyType = 'ed25519', targets = { keys: 1, threshold: 1 } } = options;
  const some = (count: number) => Array.from({ length: count }, () => newSigner(keyType));
  const signers: Record<Role, Signer[]> = {
    root: some(1),
    targets: some(targets.keys),
    snapshot: some(1),
    timestamp: some(1),
  };
  const keysOf = (role: Role) => signers[role].map(({ key }) => key);
  const one = (role: Role) => ({ keys: keysOf(role), threshold: 1 });
  const root = makeRoot(
    {
      root: one('root'),
      targets: { keys: keysOf('targets'), threshold: targets.threshold },
      snapshot: one('snapshot'),
      timestamp: one('timestamp'),
    },
    1,
    options.nowMs,
  );
  const first = await signedBy(root, signers.root);

  const repository: Repository = {
    nowMs: options.nowMs,
    signers,
    roots: [first],
    timestamp: Buffer.alloc(0),
    snapshot: Buffer.alloc(0),
    targets: Buffer.alloc(0),
    versions: { timestamp: 0, snapshot: 0, targets: 0 },
    anchor: first,
    async publish(...manifests) {
      const { versions, nowMs } = repository;
      const before =
        versions.targets === 0 ? null : (parsed('targets', repository.targets) as Metadata<Targets>).signed;
      repository.targets = await signedBy(nextTargets(before, { add: manifests }, nowMs), signers.targets);
      versions.targets += 1;
      await repository.renew({ snapshot: true });
    },
    async renew({ snapshot = false } = {}) {
      const { versions, nowMs } = repository;
      if (snapshot) {
        versions.snapshot += 1;
        repository.snapshot = await makeSnapshot(
          { version: versions.targets, bytes: repository.targets },
          { version: versions.snapshot, nowMs, signer: signers.snapshot[0]! },
        );
      }
      versions.timestamp += 1;
      repository.timestamp = await makeTimestamp(
        { version: versions.snapshot, bytes: repository.snapshot },
        { version: versions.timestamp, nowMs, signer: signers.timestamp[0]! },
      );
    },
    async rotate(changes, by = signers.root) {
      const last = (parsed('root', repository.roots.at(-1)!) as Metadata<Root>).signed;
      repository.roots.push(await signedBy(nextRoot(last, changes, repository.nowMs), by));
    },
    files() {
      const { versions } = repository;
      const roots = repository.roots.map((bytes, index) => ['root', index + 1, bytes] as const);
      const others = (['timestamp', 'snapshot', 'targets'] as const).map(
        (role) => [role, versions[role], repository[role]] as const,
      );
      return [...roots, ...others].map(([role, version, bytes]) => ({
        ...{ role, version, bytes, digest: sha256(bytes), size: bytes.length },
      }));
    },
  };
  return repository;
}
