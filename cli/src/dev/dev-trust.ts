/** The keys of a fleet on a laptop: made with the first start, for this user alone, and one person signs. */
import { join } from 'node:path';
import { fetchMetadata, type TrustClient } from '../signing/fleet-metadata.ts';
import { beginningIn, initialise, rootFileIn } from '../signing/key-folder.ts';

export const keysFolderIn = (folder: string): string => join(folder, 'trust', 'keys');
export const trustRootIn = (folder: string): string => rootFileIn(keysFolderIn(folder));

/** Idempotent: what was interrupted goes on. */
export async function ensureDevTrust(
  folder: string,
  trust: TrustClient,
  signal?: AbortSignal,
): Promise<void> {
  const keysFolder = keysFolderIn(folder);
  const { root, online } = await fetchMetadata(trust, signal);
  if (root !== null) return;
  const one = { keys: 1, threshold: 1 };
  const beginning =
    beginningIn(keysFolder) ??
    (await initialise({
      ...{ folder: keysFolder, root: one, targets: one, online, passphrase: null },
      ...{ type: 'ecdsa-p384', nowMs: Date.now() },
    }));
  await trust.publishMetadata({ roots: [beginning.root], targets: beginning.targets }, signal && { signal });
}
