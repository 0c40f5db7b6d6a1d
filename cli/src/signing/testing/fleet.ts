/** A fleet whose packs two people sign, for tests: their keys in a folder, and the service's side as it answers and takes in. */
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import {
  Code,
  ConnectError,
  type ConnectRouter,
  createClient,
  createRouterTransport,
  type ServiceImpl,
} from '@connectrpc/connect';
import { TrustService } from '@iotdh/proto/fleet/v1';
import { MetadataRole } from '@iotdh/proto/update/v1';
import {
  acceptRoot,
  acceptTargets,
  addSignature,
  encodeMetadata,
  generatePrivateKey,
  type Key,
  type KeyType,
  keySigner,
  type Metadata,
  type Targets,
} from '@iotdh/trust/author';
import { startFakeFleet } from '../../testing/fake-fleet.ts';
import { parsedRoot, parsedTargets, type TrustClient } from '../fleet-metadata.ts';
import { initialise, openKey, type RoleChoice, rootFileIn } from '../key-folder.ts';

export const nowMs = Date.UTC(2026, 10, 23, 12);

export type Author = {
  folder: string;
  rootFile: string;
  /** What the author began with. */
  root: Buffer;
  targets: Buffer;
  online: { snapshot: ReturnType<typeof keySigner>; timestamp: ReturnType<typeof keySigner> };
  keyFile(role: 'root' | 'targets', number: number): string;
  /** The bytes of these targets with the signatures of the first so many keys. */
  signed(targets: Metadata<Targets>, keys: number): Promise<Buffer>;
};

/** Keys of two people who both must sign packs, unless a test says otherwise. */
export async function createAuthor(
  folder: string,
  options: { type?: KeyType; root?: RoleChoice; targets?: RoleChoice } = {},
): Promise<Author> {
  const { type = 'ed25519' } = options;
  const newSigner = () => keySigner(generatePrivateKey(type));
  const online = { snapshot: newSigner(), timestamp: newSigner() };
  const beginning = await initialise({
    ...{ folder, type, passphrase: null, nowMs },
    root: options.root ?? { keys: 1, threshold: 1 },
    targets: options.targets ?? { keys: 2, threshold: 2 },
    online: { snapshot: online.snapshot.key, timestamp: online.timestamp.key },
  });
  const keyFile: Author['keyFile'] = (role, number) => join(folder, `${role}-${number}.pem`);
  return {
    ...{ folder, rootFile: rootFileIn(folder), ...beginning, online, keyFile },
    async signed(targets, keys) {
      for (let number = 1; number <= keys; number += 1)
        await addSignature(targets, openKey(keyFile('targets', number), null));
      return encodeMetadata(targets);
    },
  };
}

const keyMessage = ({ keyID, keyType, scheme, keyVal }: Key) => ({
  ...{ keyId: keyID, keyType, scheme, publicKey: String(keyVal.public) },
});

/** What the service has: a test may put there what it likes. Without roots, no targets count. */
export type Served = {
  roots: Uint8Array[];
  targets: Uint8Array;
  /** It answers, and takes nothing in. */
  isFull?: boolean;
};

const versionOf = (targets: Uint8Array): bigint => BigInt(parsedTargets(targets).signed.version);

/** The service over what is in `served`; takes in what follows from it, as the API does. */
function trustService({ online }: Author, served: Served): ServiceImpl<typeof TrustService> {
  const files = () => [
    ...served.roots.map((_bytes, index) => ({ role: MetadataRole.ROOT, version: BigInt(index + 1) })),
    ...(served.roots.length === 0
      ? []
      : [{ role: MetadataRole.TARGETS, version: versionOf(served.targets) }]),
  ];
  return {
    getTrust: () => ({
      files: files().map((file) => ({ ...file, digest: new Uint8Array(32), size: 1 })),
      snapshotKey: keyMessage(online.snapshot.key),
      timestampKey: keyMessage(online.timestamp.key),
    }),
    getMetadata: ({ role, version }) => ({
      metadata: role === MetadataRole.ROOT ? served.roots[Number(version) - 1]! : served.targets,
    }),
    publishMetadata({ roots, targets }) {
      if (served.isFull) throw new ConnectError('there is no room', Code.ResourceExhausted);
      const newest = served.roots.at(-1);
      let root = newest === undefined ? null : parsedRoot(newest).signed;
      for (const bytes of roots) {
        const next = acceptRoot(root, bytes);
        if (next.kind === 'refused') throw new ConnectError(next.detail, Code.InvalidArgument);
        root = next.metadata.signed;
      }
      if (targets.length > 0 && root !== null) {
        const current = newest === undefined ? null : parsedTargets(served.targets).signed;
        const taken = acceptTargets(root, current, targets, nowMs);
        if (taken.kind === 'refused') throw new ConnectError(taken.detail, Code.InvalidArgument);
        served.targets = targets;
      }
      served.roots.push(...roots);
      return {};
    },
  };
}

/** Answers with what runs a command line against the service, and whatever else a test has of the fleet. */
export const serve = (
  t: TestContext,
  author: Author,
  served: Served,
  more: (router: ConnectRouter) => void = () => {},
) =>
  startFakeFleet(t, (router) => {
    router.service(TrustService, trustService(author, served));
    more(router);
  });

export const clientOf = (author: Author, served: Served): TrustClient =>
  createClient(
    TrustService,
    createRouterTransport((router) => router.service(TrustService, trustService(author, served))),
  );
