/**
 * The quota's account in the database: one document, changed only by whoever has read its newest revision. Replicas take what
 * they need in slices of seconds, so that the document is written a few times a second however fast the hub is.
 */
import type { Collections, QuotaDocument } from '../database/collections.ts';
import type { Database } from '../database/connect.ts';
import {
  type Account,
  broughtUp,
  dayOf,
  emptyAccount,
  type Grant,
  type Step,
  step,
  type Use,
} from './account.ts';
import { allowanceOf, type HubPolicy, type Shares } from './hub-settings.ts';

export type QuotaStoreOptions = {
  database: Pick<Database, 'now'> & { collections: Pick<Collections, 'quota' | 'telemetryUse'> };
  random: () => number;
};

export type QuotaView = { account: Account; telemetry: Use; now: Date };

export type QuotaStore = {
  /** Takes a step, exactly once however often the same one is asked for. Rejects when the database does not answer. */
  step(taken: Step): Promise<Grant & { now: Date; shares: Shares | null }>;
  read(policy: HubPolicy): Promise<QuotaView>;
  /** Null: those of the settings again. */
  setShares(shares: Shares | null): Promise<void>;
};

const accountId = 'hub';
/** Each attempt that fails means that another replica has succeeded. */
const maxAttempts = 50;
const longestPauseMs = 40;
const duplicateKey = 11_000;

export function createQuotaStore({ database, random }: QuotaStoreOptions): QuotaStore {
  const { quota, telemetryUse } = database.collections;

  async function look(): Promise<{ document: QuotaDocument | null; telemetry: Use; now: Date }> {
    const [now, document, newest] = await Promise.all([
      database.now(),
      quota.findOne({ _id: accountId }),
      telemetryUse.findOne({}, { sort: { _id: -1 } }),
    ]);
    const isToday = newest !== null && newest._id === dayOf(now);
    const { messages, units } = isToday ? newest : { messages: 0, units: 0 };
    return { document, telemetry: { messages, units }, now };
  }

  /** False: somebody else was faster. */
  async function write(account: Account, before: QuotaDocument | null): Promise<boolean> {
    const revision = (before?.revision ?? 0) + 1;
    if (before !== null) {
      const of = { _id: accountId, revision: before.revision } as const;
      return (await quota.replaceOne(of, { ...account, revision })).matchedCount === 1;
    }
    try {
      await quota.insertOne({ _id: accountId, ...account, revision });
      return true;
    } catch (error) {
      if ((error as { code?: number }).code === duplicateKey) return false;
      throw error;
    }
  }

  /** `change` answers the next account and what to return, or only the latter when there is nothing to write. */
  async function change<T>(
    by: (seen: { account: Account; telemetry: Use; now: Date }) => { account?: Account; result: T },
  ): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      const { document, telemetry, now } = await look();
      const { account, result } = by({ account: document ?? emptyAccount(now), telemetry, now });
      if (account === undefined || (await write(account, document))) return result;
      if (attempt === maxAttempts) throw new Error('the account of the quota is written too often');
      await new Promise((resolve) => setTimeout(resolve, random() * Math.min(longestPauseMs, 2 * attempt)));
    }
  }

  return {
    step: (taken) =>
      change(({ account, telemetry, now }) => {
        const { shares } = account;
        const mine = account.leases.find(({ replicaId }) => replicaId === taken.replicaId);
        if (mine?.step === taken.step) {
          // It was written, and only the answer was lost.
          const { messages, frameUnits } = mine;
          return { result: { messages, frameUnits, againMs: 0, framesFromTime: null, now, shares } };
        }
        const next = step(account, taken, { now, telemetryUnits: telemetry.units });
        return { account: next.account, result: { ...next.grant, now, shares } };
      }),
    async read(policy) {
      const { document, telemetry, now } = await look();
      const account = document ?? emptyAccount(now);
      return {
        account: broughtUp(account, allowanceOf(policy, account.shares), now),
        telemetry,
        now,
      };
    },
    setShares: (shares) => change(({ account }) => ({ account: { ...account, shares }, result: undefined })),
  };
}
