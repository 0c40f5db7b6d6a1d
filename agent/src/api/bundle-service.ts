/** BundleService: what a site engineer brings, handed to the part that knows bundles. */
import type { ServiceImpl } from '@connectrpc/connect';
import { type BundleService, ImportOutcome } from '@iotdh/proto/agent/v1';
import type { ManifestRef } from '@iotdh/proto/update/v1';
import { unwrap } from './errors.ts';
import type { Outcome } from './refusal.ts';

export type ImportBundle = (
  path: string,
) => Promise<Outcome<{ outcome: 'taken' | 'waits' | 'joined'; manifest: ManifestRef }>>;

const outcomes = {
  taken: ImportOutcome.TAKEN,
  waits: ImportOutcome.WAITS,
  joined: ImportOutcome.JOINED,
} as const;

export function createBundleService(importBundle: ImportBundle): ServiceImpl<typeof BundleService> {
  return {
    async importBundle({ path }) {
      const { outcome, manifest } = unwrap(await importBundle(path));
      return { outcome: outcomes[outcome], manifest };
    },
  };
}
