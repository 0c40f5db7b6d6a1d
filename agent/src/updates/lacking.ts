/** What a machine lacks for now that an update needs to be applied: looked for when a person confirms, and again when it is applied. */
import type { Manifest } from '@iotdh/proto/update/v1';
import type { Preflight } from '../install/installer.ts';
import type { Update } from '../machine/update.ts';
import type { Manifests } from './manifests.ts';

export type LackingOptions = {
  manifests: Manifests;
  requirements: (manifest: Manifest) => Promise<Preflight>;
  sleep: (ms: number, signal: AbortSignal) => Promise<void>;
};

/** A person who confirms does not wait longer, as for a host service that is away. */
const lookMs = 3_000;

/** In words; null: nothing, nothing that passes by itself, or it could not be told in time. */
export function createLacking({ manifests, requirements, sleep }: LackingOptions) {
  return async (update: Update): Promise<string | null> => {
    const manifest = manifests.of(update);
    if (manifest === null) return null;
    const told = new AbortController();
    try {
      const answer = await Promise.race([requirements(manifest), sleep(lookMs, told.signal)]);
      return answer?.kind === 'unmet' && answer.passing === true ? answer.reason : null;
    } catch {
      return null;
    } finally {
      told.abort();
    }
  };
}
