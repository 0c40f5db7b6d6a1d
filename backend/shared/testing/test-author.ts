/** Who signs the packs of a test: an author with keys in memory, and the online keys of the service. */

import type { Client } from '@connectrpc/connect';
import type { TrustService } from '@iotdh/proto/fleet/v1';
import { MetadataRole } from '@iotdh/proto/update/v1';
import {
  addSignature,
  encodeMetadata,
  generatePrivateKey,
  keySigner,
  type ManifestName,
  makeRoot,
  nextTargets,
  readMetadata,
  type SignedManifest,
  type Signer,
} from '@iotdh/trust/author';

export type TestAuthor = {
  readonly onlineKeys: { snapshot: Signer; timestamp: Signer };
  /** The first root that devices trust. */
  anchor(): Promise<Buffer>;
  /** Hands in targets that name these manifests too; the root and the first targets with the first of them. One at a time. */
  sign(trust: TrustClient, ...manifests: SignedManifest[]): Promise<void>;
  /** Hands in the next targets, made at this time; default now. */
  change(
    trust: TrustClient,
    changes: { add?: readonly SignedManifest[]; remove?: readonly ManifestName[] },
    nowMs?: number,
  ): Promise<void>;
};

type TrustClient = Pick<Client<typeof TrustService>, 'getMetadata' | 'publishMetadata'>;

const newSigner = (): Signer => keySigner(generatePrivateKey('ed25519'));

/** `onlineKeys`: those of the service that signs. Default: new ones, for a service that is told them. */
export function createTestAuthor(
  onlineKeys: TestAuthor['onlineKeys'] = { snapshot: newSigner(), timestamp: newSigner() },
): TestAuthor {
  const signers = { root: newSigner(), targets: newSigner(), ...onlineKeys };
  let begun = false;
  let last: Promise<void> = Promise.resolve();

  async function makeAnchor(): Promise<Buffer> {
    const one = ({ key }: Signer) => ({ keys: [key], threshold: 1 });
    const root = makeRoot(
      {
        root: one(signers.root),
        targets: one(signers.targets),
        snapshot: one(signers.snapshot),
        timestamp: one(signers.timestamp),
      },
      1,
      Date.now(),
    );
    await addSignature(root, signers.root);
    return encodeMetadata(root);
  }
  const anchor = makeAnchor();

  const change: TestAuthor['change'] = async (trust, changes, nowMs = Date.now()) => {
    let before = null;
    if (begun) {
      const { metadata } = await trust.getMetadata({ role: MetadataRole.TARGETS });
      const read = readMetadata('targets', metadata);
      if (read.kind === 'refused') throw new Error(read.detail);
      before = read.metadata.signed;
    }
    const targets = nextTargets(before, changes, nowMs);
    await addSignature(targets, signers.targets);
    await trust.publishMetadata({ roots: begun ? [] : [await anchor], targets: encodeMetadata(targets) });
    begun = true;
  };

  const changeInTurn: TestAuthor['change'] = (trust, changes, nowMs) => {
    const mine = last.then(() => change(trust, changes, nowMs));
    last = mine.catch(() => {});
    return mine;
  };

  return {
    onlineKeys,
    anchor: () => anchor,
    change: changeInTurn,
    sign: (trust, ...manifests) => changeInTurn(trust, { add: manifests }),
  };
}
