/** Shows the account of the hub's quota, and sets what updates may have of it. */
import type { Quota, SetQuotaSharesRequest } from '@iotdh/proto/fleet/v1';
import type { Fleet } from '../fleet.ts';
import { quotaMessage } from './quota-message.ts';

export async function getQuota({ quota, policy }: Pick<Fleet, 'quota' | 'policy'>): Promise<Quota> {
  return quotaMessage(await quota.read(policy), policy);
}

/** The replicas of the firmware updater find it with their next step in the account, within seconds. */
export async function setQuotaShares(fleet: Fleet, { shares }: SetQuotaSharesRequest): Promise<Quota> {
  const set = shares && { ratePercent: shares.ratePercent, dailyPercent: shares.dailyPercent };
  await fleet.quota.setShares(set ?? null);
  return getQuota(fleet);
}
