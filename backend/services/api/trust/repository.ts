/**
 * The fleet's signed metadata: takes in what authors signed, verified as a device would, and signs which of it is the newest.
 * Every version is kept, the bytes as objects. What follows from one another is written in one transaction, or not at all.
 */
import { createHash } from 'node:crypto';
import {
  acceptRoot,
  acceptTargets,
  endsTooLate,
  issuedMs,
  type Metadata,
  type MetadataOf,
  makeSnapshot,
  makeTimestamp,
  type Refused,
  type Role,
  type Root,
  readMetadata,
  signedAs,
  type Targets,
  type Timestamp,
  thresholdOf,
} from '@iotdh/trust/author';
import { Long } from 'mongodb';
import type { Objects } from '../../../shared/blobs.ts';
import type { Clock } from '../../../shared/clock.ts';
import type {
  ManifestReference,
  MetadataDocument,
  SbomReference,
} from '../../../shared/database/collections.ts';
import type { Database } from '../../../shared/database/connect.ts';
import { metadataInForce } from '../../../shared/messages/metadata.ts';
import { isDuplicate } from '../fleet.ts';
import { refuse } from '../refusal.ts';
import type { OnlineKeys } from './online-keys.ts';

export type Repository = {
  readonly keys: OnlineKeys;
  /** Every root, and the newest file of each other role. */
  inForce(): Promise<MetadataDocument[]>;
  /** Null: there is none. `version` 0: the newest. */
  file(role: Role, version: number): Promise<{ document: MetadataDocument; bytes: Uint8Array } | null>;
  /** Refuses with `metadata_rejected`. */
  publish(roots: readonly Uint8Array[], targets: Uint8Array | null): Promise<void>;
  /** Whether the newest targets sign this manifest as it is. */
  signs(manifest: ManifestReference, sbom: SbomReference | null): Promise<boolean>;
  /** Signs a new timestamp, and a new snapshot, where the one that is in force has less than its reserve to go. */
  renew(): Promise<'renewed' | 'fresh' | 'nothing'>;
  /** When what people have signed ends: the newest of each. */
  endings(): Promise<Ending[]>;
};

export type Ending = { role: 'root' | 'targets'; version: number; endMs: number };

export type RepositoryOptions = {
  database: Pick<Database, 'transact' | 'collections'>;
  objects: Pick<Objects, 'put' | 'read'>;
  keys: OnlineKeys;
  clock: Clock;
};

const dayMs = 86_400_000;
/** What is left when they are renewed: a timestamp lasts seven days, so it is made anew each day; a snapshot thirty. */
const reserveMs = { timestamp: 6 * dayMs, snapshot: 20 * dayMs };
const attempts = 5;
const maxFiles = 1_000;

type New = { role: Role; version: number; bytes: Uint8Array };
type Newest = { [R in Role]: { metadata: MetadataOf<R>; bytes: Uint8Array } | null };

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const rejected = ({ rule, detail }: Pick<Refused, 'detail'> & { rule: string }): never =>
  refuse({ kind: 'metadata_rejected', rule, detail });

export function createRepository({ database, objects, keys, clock }: RepositoryOptions): Repository {
  const { metadata: collection } = database.collections;

  async function bytesOf({ digest, size, _id }: MetadataDocument): Promise<Uint8Array> {
    const bytes = await objects.read(digest, 0, size);
    if (bytes?.length !== size) throw new Error(`metadata ${_id} are not in Blob Storage`);
    return bytes;
  }

  async function read<R extends Role>(role: R, document: MetadataDocument | null) {
    if (document === null) return null;
    const bytes = await bytesOf(document);
    const found = readMetadata(role, bytes);
    if (found.kind === 'refused') throw new Error(`metadata ${document._id}: ${found.detail}`);
    return { metadata: found.metadata, bytes };
  }

  const newestOf = async <R extends Role>(role: R) =>
    read(role, await collection.findOne({ role }, { sort: { version: -1 } }));

  async function newest(): Promise<Newest> {
    const found = await metadataInForce(collection, { roots: 1 });
    const load = <R extends Role>(role: R) => read(role, found.find((each) => each.role === role) ?? null);
    return {
      root: await load('root'),
      targets: await load('targets'),
      snapshot: await load('snapshot'),
      timestamp: await load('timestamp'),
    };
  }

  /** Throws a duplicate key when somebody else was faster. */
  async function keep(files: readonly New[]): Promise<void> {
    const createTime = new Date(clock.now());
    for (const { bytes } of files) await objects.put(sha256(bytes), bytes);
    const documents = files.map(({ role, version, bytes }): MetadataDocument => {
      const [digest, size] = [sha256(bytes), bytes.length];
      return { _id: `${role}/${version}`, role, version: Long.fromNumber(version), digest, size, createTime };
    });
    await database.transact((session) => collection.insertMany(documents, { session }));
  }

  /** Reads what is in force, makes what follows, and begins again when somebody else was faster. */
  async function change<T>(decide: (now: Newest) => Promise<{ files: New[]; result: T }>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      const { files, result } = await decide(await newest());
      if (files.length === 0) return result;
      try {
        await keep(files);
        return result;
      } catch (error) {
        if (!isDuplicate(error) || attempt === attempts) throw error;
      }
    }
  }

  /** The online files that name these targets. */
  async function signOnline(now: Newest, targets: New | null): Promise<New[]> {
    const nowMs = Math.max(clock.now(), lastIssuedMs(now));
    const files: New[] = [];
    let snapshot: New | null = null;
    const kept = now.targets && { version: now.targets.metadata.signed.version, bytes: now.targets.bytes };
    const named = targets ?? kept;
    if (named === null) return [];
    const isDue = (role: 'snapshot' | 'timestamp') =>
      now[role] === null || Date.parse(now[role].metadata.signed.expires) - nowMs < reserveMs[role];
    const isOtherKey = now.root !== null && !signsWith(now.root.metadata.signed, keys);
    if (isOtherKey) return [];
    if (targets !== null || isDue('snapshot')) {
      const version = (now.snapshot?.metadata.signed.version ?? 0) + 1;
      const bytes = await makeSnapshot(named, { version, nowMs, signer: keys.snapshot });
      snapshot = { role: 'snapshot', version, bytes };
      files.push(snapshot);
    }
    if (snapshot !== null || isDue('timestamp')) {
      const kept = now.snapshot && {
        version: now.snapshot.metadata.signed.version,
        bytes: now.snapshot.bytes,
      };
      const pointed = snapshot ?? kept;
      if (pointed === null) return files;
      const version = (now.timestamp?.metadata.signed.version ?? 0) + 1;
      const bytes = await makeTimestamp(pointed, { version, nowMs, signer: keys.timestamp });
      files.push({ role: 'timestamp', version, bytes });
    }
    return files;
  }

  /** The roots that are new, each accepted by the one before. */
  async function newRoots(
    now: Newest,
    roots: readonly Uint8Array[],
  ): Promise<{ files: New[]; root: Root | null }> {
    let root = now.root?.metadata.signed ?? null;
    const files: New[] = [];
    for (const bytes of roots) {
      if ((await collection.findOne({ role: 'root', digest: sha256(bytes) })) !== null) continue;
      const accepted = acceptRoot(root, bytes);
      if (accepted.kind === 'refused') return rejected(accepted);
      root = accepted.metadata.signed;
      const tooLate = endsTooLate('root', root, clock.now());
      if (tooLate !== undefined) return rejected(tooLate);
      files.push({ role: 'root', version: root.version, bytes });
    }
    if (files.length > 0 && root?.isExpired(new Date(clock.now()))) {
      return rejected({ rule: 'expired', detail: `root ${root.version} has expired` });
    }
    if (files.length > 0 && root !== null) requireOurs(root);
    return { files, root };
  }

  /** What is signed by other keys than the root names, no device takes. */
  function requireOurs(root: Root): void {
    if (signsWith(root, keys)) return;
    const detail = `root ${root.version} names other keys for snapshot or timestamp than this service signs with; name these with: iotdh keys rotate --online`;
    rejected({ rule: 'other_keys', detail });
  }

  return {
    keys,
    inForce: () => metadataInForce(collection, { roots: maxFiles - 3 }),
    async file(role, version) {
      const filter = { role, ...(version > 0 && { version: Long.fromNumber(version) }) };
      const document = await collection.findOne(filter, { sort: { version: -1 } });
      return document && { document, bytes: await bytesOf(document) };
    },
    publish: (roots, targetBytes) =>
      change(async (now) => {
        const { files, root } = await newRoots(now, roots);
        if (root === null) {
          return rejected({ rule: 'unsigned', detail: 'this fleet has no root yet: hand one in first' });
        }
        const current = now.targets;
        const isKnown =
          targetBytes !== null && current !== null && Buffer.compare(targetBytes, current.bytes) === 0;
        let targets: New | null = null;
        if (targetBytes !== null && !isKnown) {
          // Without a snapshot of them they would keep devices from those that are in force.
          requireOurs(root);
          const accepted = acceptTargets(root, current?.metadata.signed ?? null, targetBytes, clock.now());
          if (accepted.kind === 'refused') return rejected(accepted);
          targets = { role: 'targets', version: accepted.metadata.signed.version, bytes: targetBytes };
        } else if (files.length > 0 && current !== null && !isStillSigned(root, current.metadata)) {
          const detail = `root ${root.version} does not vouch for targets ${current.metadata.signed.version}: hand in new ones with it`;
          return rejected({ rule: 'unsigned', detail });
        }
        const changed = files.length > 0 ? (targets ?? asNew(current)) : targets;
        const after = {
          ...now,
          root: { metadata: { signed: root } as Metadata<Root>, bytes: new Uint8Array() },
        };
        const online = changed === null ? [] : await signOnline(after, changed);
        return { files: [...files, ...(targets === null ? [] : [targets]), ...online], result: undefined };
      }),
    async signs(manifest, sbom) {
      const targets = await newestOf('targets');
      const signed = targets && signedAs(targets.metadata.signed, manifest);
      if (signed === null) return false;
      return sbom === null || (signed.sbom?.digest === sbom.digest && signed.sbom.size === sbom.size);
    },
    renew: () =>
      change(async (now) => {
        const files = await signOnline(now, null);
        const result = now.targets === null ? 'nothing' : files.length > 0 ? 'renewed' : 'fresh';
        return { files, result } as const;
      }),
    async endings() {
      const { root, targets } = await newest();
      const endingOf = (role: Ending['role'], found: Newest['root'] | Newest['targets']): Ending[] => {
        if (found === null) return [];
        const { version, expires } = found.metadata.signed;
        return [{ role, version, endMs: Date.parse(expires) }];
      };
      return [...endingOf('root', root), ...endingOf('targets', targets)];
    },
  };
}

const asNew = (targets: Newest['targets']): New | null =>
  targets && { role: 'targets', version: targets.metadata.signed.version, bytes: targets.bytes };

/** The time that devices rely on never goes back, even when this clock does. */
function lastIssuedMs({ timestamp }: Newest): number {
  const issued = timestamp && issuedMs(timestamp.metadata.signed as Timestamp);
  return typeof issued === 'number' ? issued : 0;
}

function signsWith({ roles }: Root, keys: OnlineKeys): boolean {
  return (['snapshot', 'timestamp'] as const).every((role) => {
    const setting = roles[role];
    return setting?.threshold === 1 && setting.keyIDs.includes(keys[role].key.keyID);
  });
}

function isStillSigned(root: Root, targets: Metadata<Targets>): boolean {
  return thresholdOf(root, 'targets', targets).met;
}
