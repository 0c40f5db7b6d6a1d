/** The assignments that are being transferred, as the database had them a moment ago. */
import { LRUCache } from 'lru-cache';
import type { AssignmentDocument, Collections } from '../../../shared/database/collections.ts';

/** What a request must agree with. */
export type Transfer = Pick<
  AssignmentDocument,
  '_id' | 'deviceId' | 'transferId' | 'frameSize' | 'manifest' | 'fallback'
> & {
  /** False: it was withdrawn, or has ended. */
  goesOn: boolean;
};

export type Transfers = {
  /** Undefined: there is none. Rejects when the database does not answer. */
  find(transferId: string): Promise<Transfer | undefined>;
  /** The assignment has changed. Answers its transfer, if it was known here. */
  forget(assignmentId: string): string | undefined;
};

export type TransfersOptions = {
  assignments: Pick<Collections['assignments'], 'findOne'>;
  /** How long what was read holds, in ms. Default 2 s: so long may another replica answer after a cancel. */
  ttlMs?: number;
  /** Default 10,000. */
  maxEntries?: number;
};

export function createTransfers(options: TransfersOptions): Transfers {
  const { assignments, ttlMs = 2_000, maxEntries = 10_000 } = options;
  const cache = new LRUCache<string, { transfer: Transfer | undefined }>({
    max: maxEntries,
    ttl: ttlMs,
    fetchMethod: async (transferId) => {
      const found = await assignments.findOne({ transferId });
      if (found === null) return { transfer: undefined };
      const { _id, deviceId, frameSize, manifest, fallback, goesOn, cancel } = found;
      const going = goesOn && cancel === null;
      return { transfer: { _id, deviceId, transferId, frameSize, manifest, fallback, goesOn: going } };
    },
  });
  return {
    async find(transferId) {
      return (await cache.fetch(transferId))?.transfer;
    },
    forget(assignmentId) {
      for (const [transferId, { transfer }] of cache.entries()) {
        if (transfer?._id !== assignmentId) continue;
        cache.delete(transferId);
        return transferId;
      }
      return undefined;
    },
  };
}
